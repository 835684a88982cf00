package store

import (
	"strings"

	"github.com/uptrace/bun"

	"flowhq/domain"
)

// nobody is the replica of a filter that looks for tenants that nobody serves.
const nobody = "-"

// filtered narrows a query on tenants, alias t. It joins nothing, so that the
// database may read the tenants in the order of an index.
func (s *Store) filtered(query *bun.SelectQuery, f domain.TenantFilter) *bun.SelectQuery {
	if !f.Scope.Admin {
		query.Where("t.id = ?", f.Scope.TenantID)
	}
	if f.Status != "" {
		query.Where("t.status = ?", string(f.Status))
	}
	if f.Template != "" {
		query.Where("EXISTS (SELECT 1 FROM tenant_configs tc WHERE tc.tenant_id = t.id AND tc.template_type = ?)", string(f.Template))
	}
	switch f.Replica {
	case "":
	case nobody:
		query.Where("EXISTS (SELECT 1 FROM leases tl WHERE tl.tenant_id = t.id AND tl.owner IS NULL)")
	default:
		query.Where("t.id IN (SELECT tl.tenant_id FROM leases tl JOIN replicas tr ON tr.id = tl.owner WHERE tr.name = ?)", f.Replica)
	}
	if search := strings.TrimSpace(domain.CleanText(f.Search)); search != "" {
		query.WhereGroup(" AND ", func(g *bun.SelectQuery) *bun.SelectQuery {
			return whereNumber(s.whereContains(g, "t.name", search), "t.phone_number", search)
		})
	}
	return query
}
