package store

import (
	"context"
	"crypto/rand"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"flowhq/domain"
)

// Tenants are the businesses with all that belongs to them.
type Tenants struct{ s *Store }

// Tenants returns the store as the list of tenants.
func (s *Store) Tenants() Tenants { return Tenants{s} }

// waKeyBytes is the length of the key from which WhatsApp ids are derived.
const waKeyBytes = 32

// Create stores a new tenant. The contract is handlers.Tenants'.
func (t Tenants) Create(ctx context.Context, v domain.TenantView) (err error) {
	defer translated("create tenant", &err)
	tenant := newTenantRow(v)
	tenant.WAKey = make([]byte, waKeyBytes)
	_, _ = rand.Read(tenant.WAKey) // never fails
	config, err := newConfigRow(v.ID, v.Config)
	if err != nil {
		return err
	}
	rows := []any{tenant, config,
		&sessionRow{TenantID: v.ID, State: string(v.Session.State), NextPreKey: 1, UpdatedAt: tenant.CreatedAt},
		&workerRow{TenantID: v.ID, Status: string(v.Worker.Status), UpdatedAt: tenant.CreatedAt},
		&leaseRow{TenantID: v.ID, NotBefore: tenant.CreatedAt}}
	err = t.s.tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		for _, row := range rows {
			if _, err := tx.NewInsert().Model(row).Exec(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	return phoneTaken(err)
}

// phoneTaken says which field is in the way when a number is used twice.
func phoneTaken(err error) error {
	if !violates(err, "phone_number") {
		return err
	}
	return &domain.Error{Kind: domain.KindConflict, Message: "This number belongs to another tenant.", Err: err,
		Fields: map[string]string{"phone_number": "This number belongs to another tenant."}}
}

func viewQuery(db bun.IDB, into any) *bun.SelectQuery {
	return db.NewSelect().Model(into).Relation("Config").Relation("Session").Relation("Worker").Relation("Lease").Relation("Lease.Replica")
}

func getTenant(ctx context.Context, db bun.IDB, id uuid.UUID) (*tenantRow, error) {
	row := new(tenantRow)
	err := viewQuery(db, row).Where("t.id = ?", id).Scan(ctx)
	return row, orNotFound(err, "tenant")
}

// Get returns one tenant.
func (t Tenants) Get(ctx context.Context, id uuid.UUID) (v domain.TenantView, err error) {
	defer translated("read tenant", &err)
	row, err := t.s.viewOf(ctx, id)
	if err != nil {
		return v, err
	}
	return row.shown(), nil
}

// List returns tenants, newest first. The contract is handlers.Tenants'.
func (t Tenants) List(ctx context.Context, f domain.TenantFilter, q domain.PageQuery) (page domain.Page[domain.TenantView], err error) {
	defer translated("list tenants", &err)
	var rows []*tenantRow
	return readPage(ctx, t.s.filtered(viewQuery(t.s.read, &rows), f), &rows, "t.id", q,
		func(r *tenantRow) uuid.UUID { return r.ID }, sure((*tenantRow).shown))
}

// Update changes a tenant's name, number and configuration. The contract is
// handlers.Tenants'; states are not stored, they change through Steer and Report.
func (t Tenants) Update(ctx context.Context, id uuid.UUID, change func(*domain.TenantView) error) (v domain.TenantView, err error) {
	defer translated("update tenant", &err)
	err = t.s.tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if err := t.s.lockRow(ctx, tx, "SELECT id FROM tenants WHERE id = ? FOR NO KEY UPDATE", id); err != nil {
			return err
		}
		row, err := getTenant(ctx, tx, id)
		if err != nil {
			return err
		}
		if v, err = row.view(); err != nil {
			return err
		}
		if err := change(&v); err != nil {
			return err
		}
		config, err := newConfigRow(id, v.Config)
		if err != nil {
			return err
		}
		tenant := newTenantRow(v)
		tenant.ID = id
		if _, err := tx.NewUpdate().Model(tenant).Column("name", "phone_number", "updated_at").WherePK().Exec(ctx); err != nil {
			return err
		}
		_, err = tx.NewUpdate().Model(config).ExcludeColumn("tenant_id").WherePK().Exec(ctx)
		return err
	})
	if err != nil {
		return domain.TenantView{}, phoneTaken(err)
	}
	t.s.hint(ctx, id)
	return v, nil
}

// lockRow locks the one row that a query selects; KindNotFound when there is none.
func (s *Store) lockRow(ctx context.Context, tx bun.Tx, query string, id uuid.UUID) error {
	if s.dialect == sqlite {
		query = rowLocks.ReplaceAllString(query, "")
	}
	var locked uuid.UUID
	return orNotFound(tx.QueryRowContext(ctx, query, id).Scan(&locked), "tenant")
}
