package whatsapp

import (
	"context"
	"time"

	"github.com/google/uuid"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
)

var noRow = uuid.Nil

// What the bot does not use is not stored: whatsmeow's address book (customers
// are rows of ours), chat settings, and the secrets with which poll votes and
// encrypted reactions are read.

func (ks *keyStore) PutPushName(context.Context, types.JID, string) (bool, string, error) {
	return false, "", nil
}

func (ks *keyStore) PutBusinessName(context.Context, types.JID, string) (bool, string, error) {
	return false, "", nil
}

func (ks *keyStore) PutContactName(context.Context, types.JID, string, string) error { return nil }

func (ks *keyStore) PutAllContactNames(context.Context, []store.ContactEntry) error { return nil }

func (ks *keyStore) PutManyRedactedPhones(context.Context, []store.RedactedPhoneEntry) error {
	return nil
}

func (ks *keyStore) GetContact(context.Context, types.JID) (types.ContactInfo, error) {
	return types.ContactInfo{}, nil
}

func (ks *keyStore) GetAllContacts(context.Context) (map[types.JID]types.ContactInfo, error) {
	return nil, nil
}

func (ks *keyStore) PutMutedUntil(context.Context, types.JID, time.Time) error { return nil }

func (ks *keyStore) PutPinned(context.Context, types.JID, bool) error { return nil }

func (ks *keyStore) PutArchived(context.Context, types.JID, bool) error { return nil }

func (ks *keyStore) GetChatSettings(context.Context, types.JID) (types.LocalChatSettings, error) {
	return types.LocalChatSettings{}, nil
}

func (ks *keyStore) PutMessageSecrets(context.Context, []store.MessageSecretInsert) error { return nil }

func (ks *keyStore) PutMessageSecret(context.Context, types.JID, types.JID, types.MessageID, []byte) error {
	return nil
}

func (ks *keyStore) GetMessageSecret(context.Context, types.JID, types.JID, types.MessageID) ([]byte, types.JID, error) {
	return nil, types.EmptyJID, nil
}

// Privacy tokens and the salt are looked up at every send: each is read once.

func (ks *keyStore) GetPrivacyToken(ctx context.Context, user types.JID) (*store.PrivacyToken, error) {
	key := user.String()
	ks.small.Lock()
	token, ok := ks.tokens[key]
	ks.small.Unlock()
	if ok {
		return token, nil
	}
	token, err := guarded(ctx, ks.gate, func(ctx context.Context) (*store.PrivacyToken, error) { return ks.SQLStore.GetPrivacyToken(ctx, user) })
	if err != nil {
		return nil, err
	}
	ks.small.Lock()
	defer ks.small.Unlock()
	if len(ks.tokens) > maxSmallCache {
		clear(ks.tokens)
	}
	ks.tokens[key] = token
	return token, nil
}

func (ks *keyStore) PutPrivacyTokens(ctx context.Context, tokens ...store.PrivacyToken) error {
	err := guardedDo(ctx, ks.gate, func(ctx context.Context) error { return ks.SQLStore.PutPrivacyTokens(ctx, tokens...) })
	ks.small.Lock()
	defer ks.small.Unlock()
	clear(ks.tokens) // a token may be found under the number or under the LID
	return err
}

// DeleteExpiredPrivacyTokens is called by whatsmeow at each connection; an
// expired token does no harm, so it is left to the sweep.
func (ks *keyStore) DeleteExpiredPrivacyTokens(context.Context, time.Time) (int64, error) {
	return 0, nil
}

func (ks *keyStore) GetNCTSalt(ctx context.Context) ([]byte, error) {
	ks.small.Lock()
	salt := ks.salt
	ks.small.Unlock()
	if salt != nil {
		return *salt, nil
	}
	read, err := guarded(ctx, ks.gate, ks.SQLStore.GetNCTSalt)
	if err == nil {
		ks.setSalt(&read)
	}
	return read, err
}

func (ks *keyStore) PutNCTSalt(ctx context.Context, salt []byte) error {
	ks.setSalt(nil)
	return guardedDo(ctx, ks.gate, func(ctx context.Context) error { return ks.SQLStore.PutNCTSalt(ctx, salt) })
}

func (ks *keyStore) DeleteNCTSalt(ctx context.Context) error {
	ks.setSalt(nil)
	return guardedDo(ctx, ks.gate, ks.SQLStore.DeleteNCTSalt)
}

func (ks *keyStore) setSalt(salt *[]byte) {
	ks.small.Lock()
	defer ks.small.Unlock()
	ks.salt = salt
}

// The rest is whatsmeow's own store behind the gate.

func (ks *keyStore) PutSenderKey(ctx context.Context, group, user string, session []byte) error {
	return guardedDo(ctx, ks.gate, func(ctx context.Context) error { return ks.SQLStore.PutSenderKey(ctx, group, user, session) })
}

func (ks *keyStore) GetSenderKey(ctx context.Context, group, user string) ([]byte, error) {
	return guarded(ctx, ks.gate, func(ctx context.Context) ([]byte, error) { return ks.SQLStore.GetSenderKey(ctx, group, user) })
}

func (ks *keyStore) PutAppStateSyncKey(ctx context.Context, id []byte, key store.AppStateSyncKey) error {
	return guardedDo(ctx, ks.gate, func(ctx context.Context) error { return ks.SQLStore.PutAppStateSyncKey(ctx, id, key) })
}

func (ks *keyStore) GetAppStateSyncKey(ctx context.Context, id []byte) (*store.AppStateSyncKey, error) {
	return guarded(ctx, ks.gate, func(ctx context.Context) (*store.AppStateSyncKey, error) {
		return ks.SQLStore.GetAppStateSyncKey(ctx, id)
	})
}

func (ks *keyStore) GetLatestAppStateSyncKeyID(ctx context.Context) ([]byte, error) {
	return guarded(ctx, ks.gate, ks.SQLStore.GetLatestAppStateSyncKeyID)
}

func (ks *keyStore) GetAllAppStateSyncKeys(ctx context.Context) ([]*store.AppStateSyncKey, error) {
	return guarded(ctx, ks.gate, ks.SQLStore.GetAllAppStateSyncKeys)
}

func (ks *keyStore) PutAppStateVersion(ctx context.Context, name string, version uint64, hash [128]byte) error {
	return guardedDo(ctx, ks.gate, func(ctx context.Context) error { return ks.SQLStore.PutAppStateVersion(ctx, name, version, hash) })
}

// GetAppStateVersion is how whatsmeow begins to fetch a collection of settings.
func (ks *keyStore) GetAppStateVersion(ctx context.Context, name string) (uint64, [128]byte, error) {
	if ks.settings.apart(ctx, name) {
		return 0, [128]byte{}, errFetchedApart
	}
	type answer struct {
		version uint64
		hash    [128]byte
	}
	a, err := guarded(ctx, ks.gate, func(ctx context.Context) (a answer, err error) {
		a.version, a.hash, err = ks.SQLStore.GetAppStateVersion(ctx, name)
		return a, err
	})
	return a.version, a.hash, err
}

func (ks *keyStore) DeleteAppStateVersion(ctx context.Context, name string) error {
	return guardedDo(ctx, ks.gate, func(ctx context.Context) error { return ks.SQLStore.DeleteAppStateVersion(ctx, name) })
}

func (ks *keyStore) PutAppStateMutationMACs(ctx context.Context, name string, version uint64, mutations []store.AppStateMutationMAC) error {
	return guardedDo(ctx, ks.gate, func(ctx context.Context) error {
		return ks.SQLStore.PutAppStateMutationMACs(ctx, name, version, mutations)
	})
}

func (ks *keyStore) DeleteAppStateMutationMACs(ctx context.Context, name string, indexMACs [][]byte) error {
	return guardedDo(ctx, ks.gate, func(ctx context.Context) error { return ks.SQLStore.DeleteAppStateMutationMACs(ctx, name, indexMACs) })
}

func (ks *keyStore) GetAppStateMutationMAC(ctx context.Context, name string, indexMAC []byte) ([]byte, error) {
	return guarded(ctx, ks.gate, func(ctx context.Context) ([]byte, error) {
		return ks.SQLStore.GetAppStateMutationMAC(ctx, name, indexMAC)
	})
}
