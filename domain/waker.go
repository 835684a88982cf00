package domain

import (
	"context"

	"github.com/google/uuid"
)

// Waker carries hints between replicas and within one: something changed for a
// tenant. A lost hint costs time, never correctness: everything is polled too.
type Waker interface {
	Wake(ctx context.Context, tenant uuid.UUID) error
	// Wakes delivers hints until ctx ends; the channel is never closed and a
	// full channel drops hints.
	Wakes(ctx context.Context) <-chan uuid.UUID
}
