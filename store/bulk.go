package store

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"flowhq/domain"
)

// Bulk are actions on many tenants.
type Bulk struct{ s *Store }

// Bulk returns the store as the actions on many tenants.
func (s *Store) Bulk() Bulk { return Bulk{s} }

type bulkRow struct {
	bun.BaseModel `bun:"table:bulk_jobs,alias:bj"`

	ID         uuid.UUID  `bun:"id,pk"`
	Event      string     `bun:"event"`
	Total      int        `bun:"total"`
	Done       int        `bun:"done"`
	Failed     int        `bun:"failed"`
	CreatedBy  uuid.UUID  `bun:"created_by"`
	CreatedAt  time.Time  `bun:"created_at"`
	FinishedAt *time.Time `bun:"finished_at"`
}

func (r *bulkRow) job() domain.BulkJob {
	return domain.BulkJob{ID: r.ID, Event: domain.Event(r.Event), Total: r.Total, Done: r.Done, Failed: r.Failed, CreatedBy: r.CreatedBy,
		CreatedAt: r.CreatedAt.UTC(), FinishedAt: utc(r.FinishedAt)}
}

// StartBulk stores a job. The contract is handlers.Bulk's. An id and a time that are missing are made here.
func (b Bulk) StartBulk(ctx context.Context, job domain.BulkJob, tenants []uuid.UUID) (started domain.BulkJob, err error) {
	defer translated("start bulk job", &err)
	if err := checkBulk(job.Event, len(tenants)); err != nil {
		return started, err
	}
	if job.ID == uuid.Nil {
		job.ID = domain.NewID()
	}
	if job.CreatedAt.IsZero() {
		job.CreatedAt = domain.Now()
	}
	row := &bulkRow{ID: job.ID, Event: string(job.Event), CreatedBy: job.CreatedBy, CreatedAt: stamp(job.CreatedAt)}
	err = b.s.tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		row.Total = 0
		if _, err := tx.NewInsert().Model(row).Exec(ctx); err != nil {
			return err
		}
		for part := range slices.Chunk(tenants, bulkChunk) {
			res, err := tx.NewRaw(`INSERT INTO bulk_items (job_id, tenant_id, name, state, error)
				SELECT ?, t.id, t.name, 'pending', '' FROM tenants t WHERE t.id IN (?) ON CONFLICT DO NOTHING`, row.ID, bun.List(part)).Exec(ctx)
			if err != nil {
				return err
			}
			n, err := res.RowsAffected()
			if err != nil {
				return err
			}
			row.Total += int(n)
		}
		if row.Total == 0 {
			return domain.Invalid{"tenants": "None of these tenants exists."}.Err()
		}
		_, err := tx.NewUpdate().Model(row).Column("total").WherePK().Exec(ctx)
		return err
	})
	return row.job(), err
}

// bulkChunk bounds one statement of StartBulk.
const bulkChunk = 1000

func checkBulk(e domain.Event, tenants int) error {
	bad := domain.Invalid{}
	if e != domain.EventStart && e != domain.EventStop && e != domain.EventRestart {
		bad.Add("event", "Choose one of start, stop, restart.")
	}
	switch {
	case tenants == 0:
		bad.Add("tenants", "Choose at least one tenant.")
	case tenants > domain.MaxBulk:
		bad.Add("tenants", "These are too many tenants at once.")
	}
	return bad.Err()
}

// BulkJob returns a job with how far it is.
func (b Bulk) BulkJob(ctx context.Context, id uuid.UUID) (job domain.BulkJob, err error) {
	defer translated("read bulk job", &err)
	row := &bulkRow{ID: id}
	if err := b.s.read.NewSelect().Model(row).WherePK().Scan(ctx); err != nil {
		return job, orNotFound(err, "job")
	}
	return row.job(), nil
}

// BulkFailures lists the failed items of a job, by name.
func (b Bulk) BulkFailures(ctx context.Context, id uuid.UUID, limit int) (failed []domain.BulkItem, err error) {
	defer translated("list failures of bulk job", &err)
	var rows []struct {
		TenantID    uuid.UUID
		Name, Error string
	}
	err = b.s.read.NewSelect().Table("bulk_items").Column("tenant_id", "name", "error").Where("job_id = ? AND state = ?", id, string(domain.BulkFailed)).
		Order("name", "tenant_id").Limit(int64(limit)).Scan(ctx, &rows)
	for _, r := range rows {
		failed = append(failed, domain.BulkItem{JobID: id, TenantID: r.TenantID, Name: r.Name, State: domain.BulkFailed, Error: r.Error})
	}
	return failed, err
}

// bulkClaim is how long a job is one caller's since its last step.
const bulkClaim = 30 * time.Second

// errClaimLost ends a run whose job another caller has taken over.
var errClaimLost = errors.New("the bulk job was taken over by another replica")

// RunBulk carries out one unfinished job that nobody is at, if there is any. It
// may be cut off at any point: whoever comes next goes on. A tenant whose step
// was cut off between the act and its note is steered a second time.
func (b Bulk) RunBulk(ctx context.Context) (worked bool, err error) {
	defer translated("run bulk job", &err)
	claim := domain.NewID()
	job, ok, err := b.claim(ctx, claim)
	if err != nil || !ok {
		return false, err
	}
	for {
		pending, err := b.pending(ctx, job.ID)
		if err == nil && len(pending) == 0 {
			return true, b.finish(ctx, job.ID, claim)
		}
		for i := 0; i < len(pending) && err == nil; i++ {
			err = b.step(ctx, job, claim, pending[i])
		}
		switch {
		case errors.Is(err, errClaimLost):
			return true, nil
		case err != nil:
			b.unclaim(ctx, job.ID, claim)
			return true, err
		}
	}
}

func (b Bulk) pending(ctx context.Context, job uuid.UUID) (tenants []uuid.UUID, err error) {
	err = b.s.read.NewSelect().Table("bulk_items").Column("tenant_id").Where("job_id = ? AND state = ?", job, string(domain.BulkPending)).
		Order("tenant_id").Limit(100).Scan(ctx, &tenants)
	return tenants, err
}

// claim takes the oldest job that nobody is at.
func (b Bulk) claim(ctx context.Context, claim uuid.UUID) (job domain.BulkJob, ok bool, err error) {
	var rows []bulkRow
	err = b.s.tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		rows = nil
		// A claim much longer than any is by a clock that was set back since.
		free := `SELECT id FROM bulk_jobs WHERE finished_at IS NULL AND (claimed_until IS NULL OR claimed_until < flowhq_after(0) OR claimed_until > flowhq_after(?)) ORDER BY created_at, id LIMIT 1 FOR UPDATE SKIP LOCKED`
		if b.s.dialect == sqlite {
			free = rowLocks.ReplaceAllString(free, "")
		}
		return tx.NewRaw(`UPDATE bulk_jobs SET claim = ?, claimed_until = flowhq_after(?) WHERE id IN (`+free+`)
			RETURNING id, event, total, done, failed, created_by, created_at, finished_at`, claim, bulkClaim.Seconds(), 2*bulkClaim.Seconds()).Scan(ctx, &rows)
	})
	if err != nil || len(rows) == 0 {
		return job, false, err
	}
	return rows[0].job(), true, nil
}

// step steers one tenant and notes it. An answer that another try would not
// change is a failure of the item; any other error leaves it pending.
func (b Bulk) step(ctx context.Context, job domain.BulkJob, claim, tenant uuid.UUID) error {
	state, sentence := domain.BulkDone, ""
	if _, err := b.s.Tenants().Steer(ctx, tenant, job.Event); err != nil {
		var refused *domain.Error
		if !errors.As(err, &refused) || refused.Kind == domain.KindUnavailable || refused.Kind == domain.KindInternal {
			return err
		}
		state, sentence = domain.BulkFailed, refused.Message
	}
	return b.s.tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		noted, err := changedAny(tx.NewUpdate().Table("bulk_items").Set("state = ?", string(state)).Set("error = ?", sentence).
			Where("job_id = ? AND tenant_id = ? AND state = ?", job.ID, tenant, string(domain.BulkPending)).Exec(ctx))
		if err != nil {
			return err
		}
		done, failed := 0, 0
		switch {
		case !noted: // it was noted already
		case state == domain.BulkDone:
			done = 1
		default:
			failed = 1
		}
		mine, err := changedAny(tx.NewUpdate().Table("bulk_jobs").Set("done = done + ?", done).Set("failed = failed + ?", failed).
			Set("claimed_until = flowhq_after(?)", bulkClaim.Seconds()).Where("id = ? AND claim = ?", job.ID, claim).Exec(ctx))
		if err == nil && !mine {
			return errClaimLost // the note is undone: the other one makes it
		}
		return err
	})
}

func (b Bulk) finish(ctx context.Context, job, claim uuid.UUID) error {
	_, err := b.s.write.NewUpdate().Table("bulk_jobs").Set("finished_at = ?", domain.Now()).Where("id = ? AND claim = ? AND finished_at IS NULL", job, claim).Exec(ctx)
	return err
}

// unclaim lets another caller go on at once, though the context is over. Should
// it fail the claim runs out by itself.
func (b Bulk) unclaim(ctx context.Context, job, claim uuid.UUID) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), hintDeadline)
	defer cancel()
	_, _ = b.s.write.NewUpdate().Table("bulk_jobs").Set("claimed_until = NULL").Where("id = ? AND claim = ?", job, claim).Exec(ctx)
}
