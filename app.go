package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"flowhq/domain"
	"flowhq/domain/flow"
	"flowhq/handlers"
	"flowhq/store"
	"flowhq/worker"
	"flowhq/worker/whatsapp"
)

// version is what the build says (-X main.version=…), else the commit that it is of.
var version string

// App is the whole program: the store, the worker pool and the HTTP server.
// main and the end-to-end tests share it.
type App struct {
	Config Config
	Store  *store.Store
	Addr   string // where it listens, once Start has returned

	logger *slog.Logger
	phones *whatsapp.Phones
	pool   *worker.Pool
	server *http.Server
	stop   context.CancelFunc
	done   chan struct{}
	err    error

	bulkWaits chan struct{} // poked when a bulk job was added
}

// Start opens the database, brings it up to date and begins to serve. extra
// may add routes. On error nothing is left running.
func Start(ctx context.Context, c Config, logger *slog.Logger, extra func(*gin.Engine, handlers.Pages)) (*App, error) {
	self := domain.Replica{ID: domain.NewID(), Name: c.ReplicaName, Version: buildVersion(), Capacity: c.Worker.Capacity, StartedAt: domain.Now()}
	s, err := openStore(ctx, c, self, logger)
	if err != nil {
		return nil, err
	}
	a := &App{Config: c, Store: s, logger: logger.With("replica", c.ReplicaName), done: make(chan struct{}), bulkWaits: make(chan struct{}, 1)}
	if err := a.assemble(ctx, self, extra); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return a, nil
}

// openStore opens the database, locks it against a second server and migrates it.
func openStore(ctx context.Context, c Config, self domain.Replica, logger *slog.Logger) (*store.Store, error) {
	s, err := store.Open(ctx, store.Options{URL: c.DatabaseURL, ReplicaID: self.ID, MaxConns: c.DBConns, Logger: logger, Migrations: migrationFiles})
	if err != nil {
		return nil, err
	}
	if err := s.Lock(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if err := s.Migrate(ctx, upgradeWhatsApp); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func upgradeWhatsApp(ctx context.Context, db *sql.DB, dialect string) error {
	return whatsapp.Upgrade(ctx, db, dialect)
}

func (a *App) assemble(ctx context.Context, self domain.Replica, extra func(*gin.Engine, handlers.Pages)) error {
	engine, err := flow.New(flowFiles)
	if err != nil {
		return fmt.Errorf("load conversation texts: %w", err)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	metrics, s := worker.NewMetrics(registry), a.Store
	db, dialect := s.DBForWhatsApp()
	crash, trust := crashPoint(a.Config.CrashAt), a.Config.trust()
	a.phones, err = whatsapp.New(whatsapp.Options{DB: db, Dialect: dialect, Ratchet: s.Ratchet(), Outbox: s.Outbox(), Metrics: metrics, Logger: a.logger,
		Redirect: a.Config.Redirect, Unsafe: a.Config.Unsafe, Crash: crash, Trust: trust, LeaseTTL: a.Config.Worker.Timings.TTL})
	if err != nil {
		return err
	}
	if err := whatsapp.UseStoredVersion(ctx, s.Settings()); err != nil {
		a.logger.Warn("stored WhatsApp version is not usable", "error", err)
	}
	a.pool = worker.NewPool(&worker.Services{Leases: s.Leases(), Profiles: s.Profiles(), Reports: s.Reports(), Inbox: s.Inbox(), Outbox: s.Outbox(),
		Ratchet: s.Ratchet(), Phones: a.phones, Trust: trust, Waker: s.Waker(),
		Engine: engine, Metrics: metrics, Logger: a.logger, Settings: a.Config.Worker, Crash: crash}, self)
	handler, err := a.web(ctx, registry, extra)
	if err != nil {
		return err
	}
	return a.serve(handler)
}

func (c Config) trust() *worker.Trust {
	if c.BlindTrust {
		return worker.NewBlindTrust()
	}
	return worker.NewTrust(c.Worker.Timings)
}

// web makes the HTTP side.
func (a *App) web(ctx context.Context, registry *prometheus.Registry, extra func(*gin.Engine, handlers.Pages)) (http.Handler, error) {
	s, c := a.Store, a.Config
	secret, err := a.secret(ctx)
	if err != nil {
		return nil, err
	}
	web := &handlers.Server{Tenants: s.Tenants(), Links: s.Links(), Messages: s.Messages(), Keys: s.Accounts(), Health: s, Users: s.Accounts(), OneTime: s.OneTime(),
		Throttles: s.Throttles(), Logins: s.WebSessions(), LoginStore: s.WebSessions(), Audits: s.Audits(), Operations: s.Operations(), History: s.History(), Bulk: s.Bulk(),
		Versions: s.Versions(), Chats: s.Chats(), Settings: s.Settings(), Registry: registry, Logger: a.logger, Held: a.pool.Held, BulkWaits: a.pokeBulk,
		MetricsToken: c.MetricsToken, Templates: templateFiles, Static: staticFiles, Secret: secret, PublicURL: c.PublicURL,
		TrustedProxies: c.TrustedProxies, ClientHeader: c.ClientHeader, Extra: extra,
		About: handlers.About{Version: buildVersion(), WhatsmeowVersion: moduleVersion("go.mau.fi/whatsmeow"), WhatsAppVersion: whatsapp.Version, Database: maskURL(c.DatabaseURL),
			Replica: c.ReplicaName, Lines: c.Lines()}}
	return web.Handler()
}

// secret is that of the environment, or one that is made once and kept in the database.
func (a *App) secret(ctx context.Context) ([]byte, error) {
	if a.Config.Secret != "" {
		return []byte(a.Config.Secret), nil
	}
	fresh := make([]byte, 32)
	_, _ = rand.Read(fresh) // never fails
	kept, err := a.Store.Settings().SettingOr(ctx, "secret", hex.EncodeToString(fresh))
	return []byte(kept), err
}

// buildVersion tells two builds apart during a deploy.
func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if version != "" || !ok {
		return cmp.Or(version, "unknown")
	}
	about := map[string]string{}
	for _, s := range info.Settings {
		about[s.Key] = s.Value
	}
	commit := about["vcs.revision"]
	if len(commit) < 12 {
		return "dev"
	}
	if about["vcs.modified"] == "true" {
		return commit[:12] + " with changes"
	}
	return commit[:12]
}

// moduleVersion is the version of a library in this build.
func moduleVersion(path string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, m := range info.Deps {
		if m.Path == path {
			return m.Version
		}
	}
	return "unknown"
}

// serve listens first, so that a port in use is an error of Start, and then
// runs the pool and the server in the background.
func (a *App) serve(handler http.Handler) error {
	listener, err := net.Listen("tcp", a.Config.ListenAddr)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", a.Config.ListenAddr, err)
	}
	a.Addr = listener.Addr().String()
	a.server = &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second,
		WriteTimeout: 60 * time.Second, IdleTimeout: 2 * time.Minute}
	ctx, stop := context.WithCancel(context.Background())
	a.stop = stop
	var both sync.WaitGroup
	both.Add(2)
	var failed [2]error
	go func() {
		defer both.Done()
		failed[0] = a.pool.Run(ctx)
		stop()
	}()
	go func() {
		defer both.Done()
		if err := a.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			failed[1] = fmt.Errorf("serve HTTP: %w", err)
			stop()
		}
	}()
	go a.refreshVersion(ctx)
	go a.keepUp(ctx)
	go a.runBulk(ctx)
	go func() {
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = a.server.Shutdown(grace)
		both.Wait()
		a.err = errors.Join(append(failed[:], a.Store.Close())...)
		close(a.done)
	}()
	return nil
}

// versionRefresh is how often WhatsApp is asked for its version.
const versionRefresh = 24 * time.Hour

func (a *App) refreshVersion(ctx context.Context) {
	timer := time.NewTimer(time.Minute)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			if err := a.phones.RefreshVersion(ctx, a.Store.Settings()); err != nil {
				a.logger.Warn("WhatsApp version is not refreshed; the known one stays in use", "error", err)
			}
			timer.Reset(versionRefresh)
		}
	}
}

// Wait returns when the program has ended, by itself or through Close.
func (a *App) Wait() error {
	<-a.done
	return a.err
}

// Close hands every tenant back, finishes requests and closes the database.
func (a *App) Close() error {
	a.stop()
	return a.Wait()
}

// crashPoint makes the process kill itself at the n-th pass of a named point,
// "POINT:N", or stop there until somebody lets it go on, "POINT:N:stop". It
// serves the crash tests; see FLOWHQ_CRASH_AT in config.go.
func crashPoint(spec string) func(string) {
	parts := strings.Split(spec, ":")
	if len(parts) < 2 {
		return nil
	}
	n, err := strconv.Atoi(parts[1])
	if err != nil {
		return nil
	}
	end := func() { _ = syscall.Kill(os.Getpid(), syscall.SIGKILL) }
	goOn := make(chan os.Signal, 1)
	if len(parts) == 3 && parts[2] == "stop" {
		signal.Notify(goOn, syscall.SIGCONT)
		end = func() { _ = syscall.Kill(os.Getpid(), syscall.SIGSTOP) }
	}
	var passed atomic.Int64
	return func(at string) {
		if at == parts[0] && passed.Add(1) == int64(n) {
			end()
			<-goOn // the signal takes a moment to reach all threads
		}
	}
}
