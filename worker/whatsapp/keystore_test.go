package whatsapp

import (
	"context"
	"errors"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/store/sqlstore"
	"go.mau.fi/whatsmeow/types"

	"flowhq/domain"
	database "flowhq/store"
)

// notStored are the methods of whatsmeow's store that the bot answers without
// a database: what is behind them is not kept, or is swept elsewhere.
var notStored = []string{"AddOutgoingEvent", "DeleteExpiredPrivacyTokens", "DeleteOldBufferedHashes", "DeleteOldOutgoingEvents", "GetAllContacts",
	"GetChatSettings", "GetContact", "GetMessageSecret", "GetOutgoingEvent", "MarkPreKeysAsUploaded", "PutAllContactNames", "PutArchived",
	"PutBusinessName", "PutContactName", "PutManyRedactedPhones", "PutMessageSecret", "PutMessageSecrets", "PutMutedUntil", "PutPinned",
	"PutPushName", "ClearBufferedEventPlaintext"}

// elsewhere are methods that do not call the store themselves: what they are
// given is stored later, by another method.
var elsewhere = map[string]bool{"DoDecryptionTxn": true, "PutBufferedEvent": true}

// A new version of whatsmeow may add methods: one that keyStore does not
// override would reach the database without the gate.
func TestKeyStore_EveryFailureEndsTheConnectionAndIsACancellation(t *testing.T) {
	for _, kind := range []reflect.Type{reflect.TypeFor[store.AllSessionSpecificStores](), reflect.TypeFor[store.LIDStore]()} {
		for i := range kind.NumMethod() {
			name := kind.Method(i).Name
			if elsewhere[name] {
				continue
			}
			t.Run(name, func(t *testing.T) {
				g, stores := storesWithoutDatabase(t)
				err := callWithAnything(stores[kind], name)
				if err == nil && slices.Contains(notStored, name) {
					return
				}
				if !errors.Is(err, context.Canceled) {
					t.Errorf("the failure is %v, which whatsmeow does not take for a cancellation", err)
				}
				if g.ctx.Err() == nil {
					t.Error("the connection goes on after a failure of its store")
				}
			})
		}
	}
}

// storesWithoutDatabase are the decorated stores of one connection over a
// database that is closed.
func storesWithoutDatabase(t *testing.T) (*gate, map[reflect.Type]any) {
	t.Helper()
	s, err := database.Open(t.Context(), database.Options{URL: "file:" + filepath.Join(t.TempDir(), "flowhq.db")})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, dialect := s.DBForWhatsApp()
	container := sqlstore.NewWithDB(db, dialect, nil)
	g := newGate(t.Context())
	return g, map[reflect.Type]any{
		reflect.TypeFor[store.AllSessionSpecificStores](): newKeyStore(g, container, someone, domain.Tenure{}, s.Ratchet(), nil, Unsafe{}),
		reflect.TypeFor[store.LIDStore]():                 newLIDStore(g, func() store.LIDStore { return container.LIDMap }),
	}
}

var (
	someone = types.NewJID("255754000001", types.DefaultUserServer)
	hidden  = types.NewJID("100000000000001", types.HiddenUserServer)
)

// callWithAnything calls a method with values that make it look or write, and
// returns its error.
func callWithAnything(on any, name string) error {
	method := reflect.ValueOf(on).MethodByName(name)
	args := make([]reflect.Value, method.Type().NumIn())
	for i := range args {
		args[i] = anything(method.Type().In(i))
	}
	call := method.Call
	if method.Type().IsVariadic() {
		call = method.CallSlice
	}
	out := call(args)
	err, _ := out[len(out)-1].Interface().(error)
	return err
}

func anything(kind reflect.Type) reflect.Value {
	switch kind {
	case reflect.TypeFor[context.Context]():
		return reflect.ValueOf(context.WithValue(context.Background(), asksKey{}, true))
	case reflect.TypeFor[types.JID]():
		return reflect.ValueOf(someone)
	case reflect.TypeFor[store.LIDMapping]():
		return reflect.ValueOf(store.LIDMapping{LID: hidden, PN: someone})
	}
	v := reflect.New(kind).Elem()
	switch kind.Kind() {
	case reflect.Slice:
		v.Set(reflect.Append(v, anything(kind.Elem())))
	case reflect.Map:
		v.Set(reflect.MakeMap(kind))
		v.SetMapIndex(anything(kind.Key()), anything(kind.Elem()))
	case reflect.Uint8, reflect.Uint32, reflect.Uint64:
		v.SetUint(1)
	}
	return v
}
