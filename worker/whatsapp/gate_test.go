package whatsapp

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
)

func TestGuarded_ACallWithoutAnAnswerEndsTheConnectionAndIsACancellation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(t.Context())
		began := time.Now()
		err := guardedDo(context.Background(), g, func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		})
		if took := time.Since(began); took > closeDeadline {
			t.Errorf("it took %v, longer than the end of a connection waits for it", took)
		}
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the failure is %v, which whatsmeow does not take for a cancellation", err)
		}
		if g.ctx.Err() == nil || !errors.Is(context.Cause(g.ctx), context.DeadlineExceeded) {
			t.Errorf("the connection goes on, or ends for another reason: %v", context.Cause(g.ctx))
		}
	})
}

// silentFor is a database that never answers questions about one number and
// knows nothing about the others.
type silentFor struct {
	user  string
	asked chan struct{}
}

func (s silentFor) Connect(context.Context) (driver.Conn, error) { return silentConn{s}, nil }
func (s silentFor) Driver() driver.Driver                        { return nil }

type silentConn struct{ silentFor }

var errUnused = errors.New("not for this test")

func (silentConn) Prepare(string) (driver.Stmt, error) { return nil, errUnused }
func (silentConn) Begin() (driver.Tx, error)           { return nil, errUnused }
func (silentConn) Close() error                        { return nil }

func (c silentConn) QueryContext(ctx context.Context, _ string, args []driver.NamedValue) (driver.Rows, error) {
	if args[0].Value == c.user {
		close(c.asked)
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return noRows{}, nil
}

type noRows struct{}

func (noRows) Columns() []string         { return []string{"lid"} }
func (noRows) Close() error              { return nil }
func (noRows) Next([]driver.Value) error { return io.EOF }

func TestLIDs_OneTenantWithoutAnAnswerDoesNotKeepOthersWaiting(t *testing.T) {
	database := silentFor{user: "255754000001", asked: make(chan struct{})}
	db := sql.OpenDB(database)
	defer db.Close()
	p := &Phones{Options: Options{DB: db, Dialect: "pgx"}}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := p.lids(newGate(ctx)).GetLIDForPN(ctx, types.NewJID(database.user, types.DefaultUserServer))
		ended <- err
	}()
	<-database.asked
	answered := make(chan error, 1)
	go func() {
		_, err := p.lids(newGate(t.Context())).GetLIDForPN(t.Context(), types.NewJID("255754000002", types.DefaultUserServer))
		answered <- err
	}()
	select {
	case err := <-answered:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(3 * time.Second):
		t.Error("another tenant waits as well")
	}
	cancel()
	if err := <-ended; err == nil {
		t.Error("the silent database answered")
	}
}

// countedLIDs is a cache that only counts.
type countedLIDs struct {
	store.LIDStore
	numbers int
}

func (c *countedLIDs) GetLIDForPN(context.Context, types.JID) (types.JID, error) {
	c.numbers++
	return types.JID{}, nil
}

func (c *countedLIDs) GetManyLIDsForPNs(_ context.Context, pns []types.JID) (map[types.JID]types.JID, error) {
	c.numbers += len(pns)
	return nil, nil
}

func TestLIDs_ACacheIsReplacedBeforeItGrowsForEver(t *testing.T) {
	var caches []*countedLIDs
	s := newLIDStore(newGate(t.Context()), func() store.LIDStore {
		caches = append(caches, &countedLIDs{})
		return caches[len(caches)-1]
	})
	for range 3 * maxLIDs {
		if _, err := s.GetLIDForPN(t.Context(), someone); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.GetManyLIDsForPNs(t.Context(), make([]types.JID, maxLIDs)); err != nil {
		t.Fatal(err)
	}
	for i, c := range caches {
		if c.numbers == 0 || c.numbers > maxLIDs {
			t.Errorf("cache %d of %d was asked for %d numbers", i, len(caches), c.numbers)
		}
	}
	if len(caches) < 4 {
		t.Errorf("%d caches for %d numbers", len(caches), 4*maxLIDs)
	}
}
