package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"

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
	sim       *simulator.Server
	app       *App
	tenants   []domain.TenantView
	customers []*simulator.Phone
	owners    map[domain.Phone]*simulator.Phone
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
	world := &demo{sim: sim, owners: map[domain.Phone]*simulator.Phone{}}
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

// people are the customers of the demo.
func (d *demo) people() error {
	for _, p := range []simulator.PhoneOptions{
		{Number: "+255754000101", PushName: "Asha"}, {Number: "+255754000102", PushName: "Juma"}, {Number: "+254712000103", PushName: "Grace"},
	} {
		phone, err := d.sim.NewPhone(p)
		if err != nil {
			return fmt.Errorf("make a demo phone: %w", err)
		}
		d.customers = append(d.customers, phone)
	}
	return nil
}

// seed adds two tenants, their owners' phones and an admin.
func (d *demo) seed(ctx context.Context) error {
	for _, in := range demoTenants() {
		v, err := domain.NewTenant(in, domain.Now())
		if err != nil {
			return fmt.Errorf("demo tenant: %w", err)
		}
		if err := d.app.Store.Tenants().Create(ctx, v); err != nil {
			return fmt.Errorf("demo tenant: %w", err)
		}
		phone, err := d.sim.NewPhone(simulator.PhoneOptions{Number: string(v.Phone), PushName: v.Name})
		if err != nil {
			return fmt.Errorf("make a demo phone: %w", err)
		}
		d.owners[v.Phone] = phone
		if _, err := d.app.Store.Tenants().Steer(ctx, v.ID, domain.EventStart); err != nil {
			return fmt.Errorf("start demo tenant: %w", err)
		}
		d.tenants = append(d.tenants, v)
	}
	return d.welcome(ctx)
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
	password := hex.EncodeToString(secret)
	hash, err := handlers.HashPassword(password)
	if err != nil {
		return err
	}
	now := domain.Now()
	admin := domain.User{ID: domain.NewID(), Email: "admin@demo.flowhq.example", Name: "Demo", PasswordHash: hash, Role: domain.RoleAdmin, CreatedAt: now, UpdatedAt: now}
	if err := d.app.Store.Accounts().AddUser(ctx, admin); err != nil {
		return fmt.Errorf("demo admin: %w", err)
	}
	raw, keyHash := handlers.NewAPIKey()
	if err := d.app.Store.Accounts().AddKey(ctx, domain.APIKey{ID: domain.NewID(), Label: "demo", Hash: keyHash, CreatedAt: now}); err != nil {
		return fmt.Errorf("demo key: %w", err)
	}
	fmt.Printf("\n  Flow HQ demo: nothing here reaches a real phone, and everything is removed at the end.\n\n"+
		"    open       http://%s/demo\n    admin      %s\n    password   %s\n    API key    %s\n\n  Ctrl-C ends it.\n\n", d.app.Addr, admin.Email, password, raw)
	return nil
}
