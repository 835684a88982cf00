package store_test

import (
	"flowhq/domain"
	"flowhq/handlers"
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

	_ handlers.Tenants    = store.Tenants{}
	_ handlers.Links      = store.Links{}
	_ handlers.Messages   = store.Messages{}
	_ handlers.Keys       = store.Accounts{}
	_ handlers.Health     = (*store.Store)(nil)
	_ handlers.Users      = store.Accounts{}
	_ handlers.OneTime    = store.OneTime{}
	_ handlers.Throttles  = store.Throttles{}
	_ handlers.Logins     = store.WebSessions{}
	_ handlers.Audits     = store.Audits{}
	_ handlers.Operations = store.Operations{}
	_ handlers.Versions   = store.Versions{}
	_ handlers.Bulk       = store.Bulk{}
	_ handlers.History    = store.History{}
	_ handlers.Chats      = store.Chats{}
	_ handlers.Settings   = store.Settings{}
)
