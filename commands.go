package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
	"golang.org/x/term"

	"flowhq/domain"
	"flowhq/handlers"
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
	logger.Info("starting", append([]any{"version", buildVersion()}, c.Lines()...)...)
	if c.Redirect.Active() {
		logger.Warn("WhatsApp is REDIRECTED: no message reaches a real phone", "addr", c.Redirect.Addr)
	}
	started := time.Now()
	app, err := Start(ctx, c, logger, nil)
	if err != nil {
		return err
	}
	logger.Info("ready", "listen", app.Addr, "after", time.Since(started).Round(time.Millisecond).String())
	app.inviteFirstAdmin(ctx)
	go func() {
		<-ctx.Done()
		logger.Info("stopping; tenants are handed over")
		app.stop()
	}()
	return app.Wait()
}

// inviteFirstAdmin prints the link with which the first account is made, while
// there is none. It works once and for a quarter of an hour.
func (a *App) inviteFirstAdmin(ctx context.Context) {
	path, err := handlers.SetupLink(ctx, a.Store.Accounts(), a.Store.OneTime())
	if err != nil {
		a.logger.Error("no link for the first admin; restart to try again", "error", err)
		return
	}
	if path == "" {
		return
	}
	fmt.Fprintf(os.Stderr, "\n  Nobody can sign in yet. Make the first account within 15 minutes:\n\n    %s%s\n\n", a.base(), path)
}

// base is the address of this installation for a browser.
func (a *App) base() string {
	if a.Config.PublicURL != "" {
		return a.Config.PublicURL
	}
	host, port, err := net.SplitHostPort(a.Addr)
	if err != nil || host == "" || host == "::" || host == "0.0.0.0" {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// withDatabase runs a command on the database as it is, beside a running server.
func withDatabase(ctx context.Context, run func(*store.Store) error) error {
	c, err := LoadConfig(os.Getenv)
	if err != nil {
		return fmt.Errorf("the configuration needs correction:\n%w", err)
	}
	s, err := store.Open(ctx, store.Options{URL: c.DatabaseURL, ReplicaID: domain.NewID(), MaxConns: 4, Logger: newLogger(c), Migrations: migrationFiles})
	if err != nil {
		return err
	}
	return errors.Join(run(s), s.Close())
}

// withStore runs a command on the migrated database.
func withStore(ctx context.Context, run func(*store.Store) error) error {
	return withDatabase(ctx, func(s *store.Store) error {
		if err := s.Migrate(ctx, upgradeWhatsApp); err != nil {
			return err
		}
		return run(s)
	})
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

// Run checks what can be checked without serving. It migrates nothing.
func (checkCmd) Run(ctx context.Context) error {
	c, err := LoadConfig(os.Getenv)
	if err != nil {
		return fmt.Errorf("the configuration needs correction:\n%w", err)
	}
	lines := c.Lines()
	for i := 0; i < len(lines); i += 2 {
		fmt.Printf("%-14v %v\n", lines[i], lines[i+1])
	}
	return withDatabase(ctx, func(s *store.Store) error {
		current, target, err := s.Version(ctx)
		if err != nil {
			return err
		}
		fmt.Println("The configuration is valid and the database answers.")
		if current < target {
			fmt.Printf("It has version %d; this program brings it to version %d when it starts, or with \"flowhq migrate\".\n", current, target)
		}
		needs, err := s.Needs()
		if err == nil && current > 0 && current < needs {
			fmt.Printf("Stop all running replicas before that: programs that do not know version %d cannot use it then.\n", needs)
		}
		return err
	})
}

type resetSessionsCmd struct {
	Tenant []string `help:"Id of a tenant; may be repeated. Without it all tenants are reset."`
}

// Run resets the Signal sessions. Nobody may be serving.
func (r resetSessionsCmd) Run(ctx context.Context) error {
	ids := make([]uuid.UUID, len(r.Tenant))
	for i, raw := range r.Tenant {
		id, err := uuid.Parse(raw)
		if err != nil {
			return domain.Errorf(domain.KindInvalid, "%q is not the id of a tenant.", raw)
		}
		ids[i] = id
	}
	return withStore(ctx, func(s *store.Store) error {
		if err := s.Lock(); err != nil {
			return err
		}
		done, held, err := s.Upkeep().ResetSessions(ctx, ids)
		fmt.Printf("%d tenants are reset; %d messages that were not sent at the time of the backup are held under \"Not delivered\".\n", done, held)
		return err
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
	raw, hash := handlers.NewAPIKey()
	key.Hash = hash
	return withStore(ctx, func(s *store.Store) error {
		if err := s.Accounts().AddKey(ctx, key); err != nil {
			return err
		}
		fmt.Println(raw)
		return nil
	})
}

type userAddCmd struct {
	Email  string `required:"" help:"Address with which the person signs in."`
	Role   string `default:"admin" enum:"admin,owner,staff" help:"admin, owner or staff."`
	Name   string `help:"Name that others see."`
	Tenant string `help:"Id of the tenant that an owner or a member of the staff belongs to."`
}

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
	if problem := domain.CheckPassword(password, user.Name, user.Email); problem != "" {
		return domain.Errorf(domain.KindInvalid, "%s", problem)
	}
	if user.PasswordHash, err = handlers.HashPassword(password); err != nil {
		return err
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
	email, err := domain.ParseEmail(u.Email)
	if err != nil {
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
