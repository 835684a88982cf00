package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/alexedwards/argon2id"
	"github.com/google/uuid"
	"golang.org/x/term"

	"flowhq/domain"
	"flowhq/store"
)

// newLogger writes to stderr, so that stdout stays clean for answers.
func newLogger(c Config) *slog.Logger {
	options := &slog.HandlerOptions{Level: c.LogLevel}
	if c.LogJSON {
		return slog.New(slog.NewJSONHandler(os.Stderr, options))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, options))
}

type serveCmd struct{}

// Run serves until a signal comes.
func (serveCmd) Run(ctx context.Context) error {
	c, err := LoadConfig(os.Getenv)
	if err != nil {
		return fmt.Errorf("the configuration needs correction:\n%w", err)
	}
	logger := newLogger(c)
	logger.Info("starting", append([]any{"version", version}, c.Lines()...)...)
	if c.Redirect.Active() {
		logger.Warn("WhatsApp is REDIRECTED: no message reaches a real phone", "addr", c.Redirect.Addr)
	}
	started := time.Now()
	app, err := Start(ctx, c, logger, nil)
	if err != nil {
		return err
	}
	logger.Info("ready", "listen", app.Addr, "after", time.Since(started).Round(time.Millisecond).String())
	go func() {
		<-ctx.Done()
		logger.Info("stopping; tenants are handed over")
		app.stop()
	}()
	return app.Wait()
}

// withStore runs a command on the migrated database, beside a running server.
func withStore(ctx context.Context, run func(*store.Store) error) error {
	c, err := LoadConfig(os.Getenv)
	if err != nil {
		return fmt.Errorf("the configuration needs correction:\n%w", err)
	}
	s, err := store.Open(ctx, store.Options{URL: c.DatabaseURL, ReplicaID: domain.NewID(), MaxConns: 4, Logger: newLogger(c), Migrations: migrationFiles})
	if err != nil {
		return err
	}
	if err := s.Migrate(ctx, upgradeWhatsApp); err != nil {
		return errors.Join(err, s.Close())
	}
	return errors.Join(run(s), s.Close())
}

type migrateCmd struct{}

// Run migrates the database.
func (migrateCmd) Run(ctx context.Context) error {
	return withStore(ctx, func(*store.Store) error {
		fmt.Println("The database is up to date.")
		return nil
	})
}

type checkCmd struct{}

// Run checks what can be checked without serving.
func (checkCmd) Run(ctx context.Context) error {
	c, err := LoadConfig(os.Getenv)
	if err != nil {
		return fmt.Errorf("the configuration needs correction:\n%w", err)
	}
	lines := c.Lines()
	for i := 0; i < len(lines); i += 2 {
		fmt.Printf("%-14v %v\n", lines[i], lines[i+1])
	}
	return withStore(ctx, func(s *store.Store) error {
		if err := s.Ping(ctx); err != nil {
			return err
		}
		fmt.Println("The configuration is valid and the database answers.")
		return nil
	})
}

type keyAddCmd struct {
	Label  string `required:"" help:"What the key is for."`
	Tenant string `help:"Id of the only tenant that the key may see; without it the key sees all."`
}

// Run adds an API key.
func (k keyAddCmd) Run(ctx context.Context) error {
	key := domain.APIKey{ID: domain.NewID(), Label: strings.TrimSpace(domain.CleanText(k.Label)), CreatedAt: domain.Now()}
	if key.Label == "" || len(key.Label) > domain.MaxNameLength {
		return domain.Errorf(domain.KindInvalid, "The label must have 1 to 200 characters.")
	}
	if k.Tenant != "" {
		id, err := uuid.Parse(k.Tenant)
		if err != nil {
			return domain.Errorf(domain.KindInvalid, "The tenant must be given by its id.")
		}
		key.TenantID = &id
	}
	raw, hash := newKey()
	key.Hash = hash
	return withStore(ctx, func(s *store.Store) error {
		if err := s.Accounts().AddKey(ctx, key); err != nil {
			return err
		}
		fmt.Println(raw)
		return nil
	})
}

// newKey makes a bearer key and the hash under which it is stored.
func newKey() (raw string, hash []byte) {
	secret := make([]byte, 24)
	_, _ = rand.Read(secret)
	raw = "fhq_" + hex.EncodeToString(secret)
	sum := sha256.Sum256([]byte(raw))
	return raw, sum[:]
}

type userAddCmd struct {
	Email  string `required:"" help:"Address with which the person signs in."`
	Role   string `default:"admin" enum:"admin,owner,staff" help:"admin, owner or staff."`
	Name   string `help:"Name that others see."`
	Tenant string `help:"Id of the tenant that an owner or a member of the staff belongs to."`
}

const minPassword = 10

// Run adds a user. The password comes from FLOWHQ_PASSWORD or from a prompt.
func (u userAddCmd) Run(ctx context.Context) error {
	user, err := u.user()
	if err != nil {
		return err
	}
	password, err := readPassword()
	if err != nil {
		return err
	}
	if len(password) < minPassword || len(password) > 1000 {
		return domain.Errorf(domain.KindInvalid, "The password must have at least %d characters.", minPassword)
	}
	if user.PasswordHash, err = argon2id.CreateHash(password, argon2id.DefaultParams); err != nil {
		return fmt.Errorf("hash password: %w", err)
	}
	return withStore(ctx, func(s *store.Store) error {
		if err := s.Accounts().AddUser(ctx, user); err != nil {
			return err
		}
		fmt.Printf("%s may sign in as %s.\n", user.Email, strings.ToLower(string(user.Role)))
		return nil
	})
}

func (u userAddCmd) user() (domain.User, error) {
	email := strings.ToLower(strings.TrimSpace(u.Email))
	if at := strings.IndexByte(email, '@'); at < 1 || at == len(email)-1 || len(email) > 254 || strings.ContainsAny(email, " \x00") {
		return domain.User{}, domain.Errorf(domain.KindInvalid, "%q is not an e-mail address.", u.Email)
	}
	now := domain.Now()
	user := domain.User{ID: domain.NewID(), Email: email, Name: domain.CleanText(u.Name), Role: domain.Role(strings.ToUpper(u.Role)), CreatedAt: now, UpdatedAt: now}
	if user.Role != domain.RoleAdmin {
		id, err := uuid.Parse(u.Tenant)
		if err != nil {
			return user, domain.Errorf(domain.KindInvalid, "An owner or a member of the staff needs --tenant with the id of the tenant.")
		}
		user.TenantID = &id
	}
	return user, nil
}

func readPassword() (string, error) {
	if p := os.Getenv("FLOWHQ_PASSWORD"); p != "" {
		return p, nil
	}
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		line, err := bufio.NewReader(os.Stdin).ReadString('\n')
		if line = strings.TrimRight(line, "\r\n"); line == "" {
			return "", errors.Join(errors.New("no password: set FLOWHQ_PASSWORD or type it"), err)
		}
		return line, nil
	}
	fmt.Fprint(os.Stderr, "Password: ")
	raw, err := term.ReadPassword(int(os.Stdin.Fd()))
	fmt.Fprintln(os.Stderr)
	return string(raw), err
}
