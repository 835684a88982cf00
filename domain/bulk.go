package domain

import (
	"time"

	"github.com/google/uuid"
)

// MaxBulk bounds the tenants of one bulk job.
const MaxBulk = 10_000

// BulkJob is one action on many tenants, carried out in the background by
// whichever replica takes it; it survives the end of that replica.
type BulkJob struct {
	ID         uuid.UUID
	Event      Event // start, stop or restart
	Total      int
	Done       int
	Failed     int
	CreatedBy  uuid.UUID
	CreatedAt  time.Time
	FinishedAt *time.Time
}

// BulkItem is one tenant of a job.
type BulkItem struct {
	JobID    uuid.UUID
	TenantID uuid.UUID
	Name     string
	State    BulkState
	Error    string
}

// BulkState is how far an item is.
type BulkState string

const (
	BulkPending BulkState = "pending"
	BulkDone    BulkState = "done"
	BulkFailed  BulkState = "failed"
)
