package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"

	"flowhq/domain"
	"flowhq/handlers"
	"flowhq/simulator"
)

type demoCmd struct {
	Listen string `help:"Address to listen on (default: LISTEN_ADDR)."`
}

// Run serves the demo until a signal comes, then removes everything it made.
func (d demoCmd) Run(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "flowhq-demo-")
	if err != nil {
		return fmt.Errorf("make a folder for the demo: %w", err)
	}
	defer os.RemoveAll(dir)
	app, _, err := startDemo(ctx, dir, d.Listen)
	if err != nil {
		return err
	}
	go func() {
		<-ctx.Done()
		app.stop()
	}()
	return app.Wait()
}

// demo is the simulated world around the product.
type demo struct {
	sim      *simulator.Server
	app      *App
	audit    *demoAudit
	admin    domain.User
	password string
	life     context.Context // ends with the program
	ready    atomic.Bool     // everything above is there

	mu         sync.Mutex
	customers  []*demoCustomer
	lively     map[uuid.UUID]bool // tenants to which customers have written by themselves
	down, slow bool               // the switches of WhatsApp's server
}

// startDemo starts simulator and product with sample tenants in dir.
func startDemo(ctx context.Context, dir, listen string) (*App, *demo, error) {
	sim, err := simulator.Start(simulator.Options{})
	if err != nil {
		return nil, nil, fmt.Errorf("start the simulated WhatsApp: %w", err)
	}
	settings, err := sim.Settings(dir)
	if err != nil {
		return nil, nil, errors.Join(err, sim.Close())
	}
	settings["DATABASE_URL"] = "file:" + filepath.Join(dir, "flowhq.db")
	// Answers come at once, and twenty messages in a row are not taken for
	// another bot: a visitor does not wait.
	settings["FLOWHQ_TYPING_DELAY"], settings["FLOWHQ_LOOP_GUARD"] = "off", "off"
	if listen != "" {
		settings["LISTEN_ADDR"] = listen
	}
	c, err := LoadConfig(func(name string) string {
		if v, ok := settings[name]; ok {
			return v
		}
		return os.Getenv(name)
	})
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("the configuration needs correction:\n%w", err), sim.Close())
	}
	world := &demo{sim: sim, audit: newDemoAudit(), life: ctx, lively: map[uuid.UUID]bool{}}
	if err := world.people(); err != nil {
		return nil, nil, errors.Join(err, sim.Close())
	}
	app, err := Start(ctx, c, newLogger(c), world.routes)
	if err != nil {
		return nil, nil, errors.Join(err, sim.Close())
	}
	world.app = app
	if err := world.seed(ctx); err != nil {
		return nil, nil, errors.Join(err, app.Close(), sim.Close())
	}
	go func() {
		<-app.done
		_ = sim.Close()
	}()
	return app, world, nil
}

// seed adds two tenants, which wait for their scan, and an admin.
func (d *demo) seed(ctx context.Context) error {
	for _, in := range demoTenants() {
		v, err := domain.NewTenant(in, domain.Now())
		if err != nil {
			return fmt.Errorf("demo tenant: %w", err)
		}
		if err := d.app.Store.Tenants().Create(ctx, v); err != nil {
			return fmt.Errorf("demo tenant: %w", err)
		}
		if _, err := d.app.Store.Tenants().Steer(ctx, v.ID, domain.EventStart); err != nil {
			return fmt.Errorf("start demo tenant: %w", err)
		}
	}
	if err := d.welcome(ctx); err != nil {
		return err
	}
	d.ready.Store(true)
	return nil
}

func demoTenants() []domain.TenantInput {
	text := func(s string) *string { return &s }
	return []domain.TenantInput{
		{Name: text("Saluni ya Amina"), Phone: text("+255754000001"), Template: text("BOOKING"), Language: text("SW"),
			Address: text("Mtaa wa Samora, Dar es Salaam"),
			Services: &[]domain.Service{{Name: "Kusuka", PriceTZS: 25000, Minutes: 120}, {Name: "Kukata nywele", PriceTZS: 8000, Minutes: 30},
				{Name: "Kucha", PriceTZS: 15000, Minutes: 60}}},
		{Name: text("Kilimani Barbers"), Phone: text("+254712000001"), Template: text("BOOKING"), Language: text("EN"),
			Timezone: text("Africa/Nairobi"), Address: text("Argwings Kodhek Rd, Nairobi"),
			Services: &[]domain.Service{{Name: "Haircut", PriceTZS: 12000, Minutes: 30}, {Name: "Shave", PriceTZS: 6000, Minutes: 20}}},
	}
}

// welcome makes the admin and an API key, and prints both once.
func (d *demo) welcome(ctx context.Context) error {
	secret := make([]byte, 9)
	_, _ = rand.Read(secret)
	d.password = hex.EncodeToString(secret)
	hash, err := handlers.HashPassword(d.password)
	if err != nil {
		return err
	}
	now := domain.Now()
	d.admin = domain.User{ID: domain.NewID(), Email: "admin@demo.flowhq.example", Name: "Demo", PasswordHash: hash, Role: domain.RoleAdmin, CreatedAt: now, UpdatedAt: now}
	if err := d.app.Store.Accounts().AddUser(ctx, d.admin); err != nil {
		return fmt.Errorf("demo admin: %w", err)
	}
	raw, keyHash := handlers.NewAPIKey()
	if err := d.app.Store.Accounts().AddKey(ctx, domain.APIKey{ID: domain.NewID(), Label: "demo", Hash: keyHash, CreatedAt: now}); err != nil {
		return fmt.Errorf("demo key: %w", err)
	}
	fmt.Printf("\n  Flow HQ demo: nothing here reaches a real phone, and everything is removed at the end.\n\n"+
		"    open       http://%s/demo\n    admin      %s\n    password   %s\n    API key    %s\n\n  Ctrl-C ends it.\n\n", d.app.Addr, d.admin.Email, d.password, raw)
	return nil
}
