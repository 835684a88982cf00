package store_test

import (
	"flowhq/domain"
	"flowhq/store"
	"flowhq/worker"
)

var (
	_ worker.Inbox    = store.Inbox{}
	_ worker.Outbox   = store.Outbox{}
	_ worker.Ratchet  = store.Ratchet{}
	_ worker.Leases   = store.Leases{}
	_ worker.Profiles = store.Profiles{}
	_ worker.Reports  = store.Reports{}
	_ domain.Waker    = store.Waker{}
)
