package worker

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
)

// settled runs one replica until it has connected whom it can at once.
func (f *fleet) settled(t *testing.T, settings Settings) *Pool {
	t.Helper()
	p := f.pool(settings)
	runs(t, p)
	time.Sleep(10 * time.Second)
	return p
}

// runs runs pools in virtual time until the test has seen enough.
func runs(t *testing.T, pools ...*Pool) {
	t.Helper()
	ctx, end := context.WithCancel(t.Context())
	done := make(chan error, len(pools))
	for _, p := range pools {
		go func() { done <- p.Run(ctx) }()
	}
	t.Cleanup(func() {
		end()
		for range pools {
			if err := <-done; err != nil {
				t.Errorf("a pool ended with %v", err)
			}
		}
	})
}

func TestPool_ConnectsThoseFirstWhoseCustomersWroteLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const tenants, perSecond = 600, 5 // more than one batch of leases
		f := newFleet()
		all := make([]uuid.UUID, tenants)
		for i := range all {
			all[i] = f.tenant()
		}
		now := time.Now()
		want := []uuid.UUID{all[597], all[3], all[250], all[599]} // the last one was written to a year ago, the others never
		for i, ago := range []time.Duration{time.Second, time.Minute, time.Hour, 365 * 24 * time.Hour} {
			f.heard[want[i]] = now.Add(-ago)
		}
		settings := DefaultSettings()
		settings.ConnectRate, settings.ConnectBurst = perSecond, 1
		runs(t, f.pool(settings))
		time.Sleep(tenants / perSecond * time.Second)
		synctest.Wait()

		var order []uuid.UUID
		for _, o := range f.opened {
			order = append(order, o.tenant)
		}
		if len(order) != tenants || !slices.Equal(order[:len(want)], want) {
			t.Errorf("of %d the first that connect are %v, want %v", len(order), order[:min(len(order), 4)], want)
		}
		if last := f.opened[len(f.opened)-1].at.Sub(now); last < 115*time.Second {
			t.Errorf("%d tenants connected within %s at %d a second", tenants, last, perSecond)
		}
	})
}

func TestTurns_ThoseThatLeaveTakeTheirPlacesWithThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		line := newTurns(1, 1)
		ctx, cancel := context.WithCancel(t.Context())
		for range 1000 {
			go func() { _ = line.join(ctx)() }()
		}
		line.join(ctx) // one that never asks for its turn
		synctest.Wait()
		start := time.Now()
		cancel()
		synctest.Wait()
		for range 3 {
			if err := line.join(t.Context())(); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(start); took > 3*time.Second {
			t.Errorf("three turns at one a second take %s after a thousand have left", took)
		}
	})
}
