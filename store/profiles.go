package store

import (
	"context"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"flowhq/domain"
)

// Profiles are the tenants as their runners need them.
type Profiles struct{ s *Store }

// Profiles returns the store as the profiles of the worker.
func (s *Store) Profiles() Profiles { return Profiles{s} }

// Profiles returns the tenants with these ids; unknown ids are left out.
func (p Profiles) Profiles(ctx context.Context, ids []uuid.UUID) (found []domain.TenantProfile, err error) {
	defer translated("read tenants", &err)
	if len(ids) == 0 {
		return nil, nil
	}
	var rows []*tenantRow
	if err := viewQuery(p.s.read, &rows).Where("t.id IN (?)", bun.List(ids)).Scan(ctx); err != nil {
		return nil, err
	}
	for _, row := range rows {
		v, err := row.view()
		if err != nil {
			return nil, err
		}
		found = append(found, domain.TenantProfile{TenantView: v, Key: row.WAKey})
	}
	return found, nil
}
