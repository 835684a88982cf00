package store

import (
	"context"
	"encoding/json"

	"github.com/google/uuid"

	"flowhq/domain"
)

// Profiles are the tenants as their runners need them.
type Profiles struct{ s *Store }

// Profiles returns the store as the profiles of the worker.
func (s *Store) Profiles() Profiles { return Profiles{s} }

// Profiles returns the tenants with these ids. The contract is worker.Profiles'.
func (p Profiles) Profiles(ctx context.Context, ids []uuid.UUID) (found []domain.TenantProfile, err error) {
	defer translated("read tenants", &err)
	if len(ids) == 0 {
		return nil, nil
	}
	list, err := p.s.idList(ids)
	if err != nil {
		return nil, err
	}
	rows, err := p.s.reader.QueryContext(ctx, p.s.textOf(loadViews), list)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		row, err := scanView(rows)
		if err != nil {
			return nil, err
		}
		v, err := row.view()
		if err != nil {
			p.s.logger.Error("a tenant is not served, because its stored settings cannot be read", "tenant", row.ID, "error", err)
			continue
		}
		found = append(found, domain.TenantProfile{TenantView: v, Key: row.WAKey})
	}
	return found, rows.Err()
}

// idList is the argument of a statement that takes any number of ids.
func (s *Store) idList(ids []uuid.UUID) (any, error) {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = id.String()
	}
	if s.dialect == postgres {
		return texts, nil
	}
	encoded, err := json.Marshal(texts)
	return string(encoded), err
}
