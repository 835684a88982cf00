package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"flowhq/domain"
	"flowhq/worker"
	"flowhq/worker/whatsapp"
)

// Config is everything that the environment may set.
type Config struct {
	DatabaseURL  string // "file:PATH" or "postgres://…"
	DBConns      int
	ListenAddr   string
	Secret       string // 32 bytes, or empty: made and kept in the database
	ReplicaName  string
	LogLevel     slog.Level
	LogJSON      bool
	MetricsToken string
	// PublicURL is the address in the browser, without a slash at its end; empty: that of the listener.
	PublicURL string
	// TrustedProxies are addresses or networks of proxies before us.
	TrustedProxies []string
	// ClientHeader is the one in which they say who asks.
	ClientHeader string
	Redirect     whatsapp.Redirect
	Unsafe       whatsapp.Unsafe
	BlindTrust   bool   // the lease is trusted whatever the heartbeats say, tests only
	CrashAt      string // "POINT:N", tests only
	Worker       worker.Settings
}

// reader collects every mistake of the environment before it complains.
type reader struct {
	get  func(string) string
	errs []error
}

func (r *reader) fail(name, format string, args ...any) {
	r.errs = append(r.errs, fmt.Errorf("%s: %s", name, fmt.Sprintf(format, args...)))
}

func (r *reader) text(name, fallback string) string {
	if v := strings.TrimSpace(r.get(name)); v != "" {
		return v
	}
	return fallback
}

func (r *reader) number(name string, fallback, low, high int) int {
	raw := r.text(name, "")
	if raw == "" {
		return fallback
	}
	n, err := strconv.Atoi(raw)
	if err != nil || n < low || n > high {
		r.fail(name, "must be a whole number from %d to %d, not %q", low, high, raw)
		return fallback
	}
	return n
}

func (r *reader) duration(name string, fallback, low, high time.Duration) time.Duration {
	raw := r.text(name, "")
	if raw == "" {
		return fallback
	}
	d, err := time.ParseDuration(raw)
	if err != nil || d < low || d > high {
		r.fail(name, "must be a duration from %s to %s such as 15s, not %q", low, high, raw)
		return fallback
	}
	return d
}

func (r *reader) onOff(name string, fallback bool) bool {
	switch raw := strings.ToLower(r.text(name, "")); raw {
	case "":
		return fallback
	case "on", "true", "1", "yes":
		return true
	case "off", "false", "0", "no":
		return false
	default:
		r.fail(name, "must be on or off, not %q", raw)
		return fallback
	}
}

// LoadConfig reads the environment. The error names every mistake at once.
func LoadConfig(get func(string) string) (Config, error) {
	r := &reader{get: get}
	c := Config{
		DatabaseURL:  r.text("DATABASE_URL", "file:"+filepath.Join("data", "flowhq.db")),
		DBConns:      r.number("FLOWHQ_DB_CONNS", 20, 1, 500),
		ListenAddr:   r.text("LISTEN_ADDR", ""),
		Secret:       r.text("FLOWHQ_SECRET", ""),
		ReplicaName:  r.text("FLOWHQ_REPLICA_NAME", hostName()),
		MetricsToken: r.text("FLOWHQ_METRICS_TOKEN", ""),
		LogJSON:      r.text("FLOWHQ_LOG_FORMAT", "text") == "json",
		CrashAt:      r.text("FLOWHQ_CRASH_AT", ""),
		Redirect: whatsapp.Redirect{Addr: r.text("FLOWHQ_WHATSAPP_ADDR", ""), CAFile: r.text("FLOWHQ_WHATSAPP_CA", ""),
			RootKey: r.text("FLOWHQ_WHATSAPP_ROOT_KEY", "")},
		Worker: worker.DefaultSettings(),
	}
	c.readListener(r)
	c.readPublic(r)
	c.readDatabase(r)
	c.readRedirect(r)
	c.readWorker(r)
	if err := c.LogLevel.UnmarshalText([]byte(r.text("FLOWHQ_LOG_LEVEL", "info"))); err != nil {
		r.fail("FLOWHQ_LOG_LEVEL", "must be debug, info, warn or error")
	}
	if f := r.text("FLOWHQ_LOG_FORMAT", "text"); f != "text" && f != "json" {
		r.fail("FLOWHQ_LOG_FORMAT", "must be text or json")
	}
	if c.Secret != "" && len(c.Secret) < 32 {
		r.fail("FLOWHQ_SECRET", "must be at least 32 bytes long")
	}
	if c.ReplicaName == "" || len(c.ReplicaName) > 100 {
		r.fail("FLOWHQ_REPLICA_NAME", "must have 1 to 100 characters")
	}
	return c, errors.Join(r.errs...)
}

func (c *Config) readListener(r *reader) {
	if port := r.text("PORT", ""); c.ListenAddr == "" && port != "" {
		c.ListenAddr = ":" + port
	}
	if c.ListenAddr == "" {
		c.ListenAddr = "127.0.0.1:8080"
	}
	_, port, err := net.SplitHostPort(c.ListenAddr)
	if n, convErr := strconv.Atoi(port); err != nil || convErr != nil || n < 0 || n > 65535 {
		r.fail("LISTEN_ADDR", "must be host:port such as 127.0.0.1:8080, not %q", c.ListenAddr)
	}
}

// readPublic reads how browsers reach this installation.
func (c *Config) readPublic(r *reader) {
	c.PublicURL = strings.TrimRight(r.text("FLOWHQ_PUBLIC_URL", ""), "/")
	if u, err := url.Parse(c.PublicURL); c.PublicURL != "" && (err != nil || u.Host == "" || u.Path != "" || (u.Scheme != "https" && u.Scheme != "http")) {
		r.fail("FLOWHQ_PUBLIC_URL", "must be an address such as https://flowhq.example.com, not %q", c.PublicURL)
	}
	if c.ClientHeader = r.text("FLOWHQ_CLIENT_HEADER", "X-Forwarded-For"); strings.ContainsAny(c.ClientHeader, " ,:") {
		r.fail("FLOWHQ_CLIENT_HEADER", "must be the name of a header such as Fly-Client-IP, not %q", c.ClientHeader)
	}
	for _, part := range strings.FieldsFunc(r.text("FLOWHQ_TRUSTED_PROXIES", ""), func(r rune) bool { return r == ',' || r == ' ' }) {
		if _, _, err := net.ParseCIDR(part); err != nil && net.ParseIP(part) == nil {
			r.fail("FLOWHQ_TRUSTED_PROXIES", "must be addresses or networks such as 10.0.0.0/8, not %q", part)
			continue
		}
		c.TrustedProxies = append(c.TrustedProxies, part)
	}
}

func (c *Config) readDatabase(r *reader) {
	switch {
	case strings.HasPrefix(c.DatabaseURL, "file:") && len(c.DatabaseURL) > len("file:"):
	case strings.HasPrefix(c.DatabaseURL, "postgres://"), strings.HasPrefix(c.DatabaseURL, "postgresql://"):
		if _, err := url.Parse(c.DatabaseURL); err != nil {
			r.fail("DATABASE_URL", "is not a valid postgres:// address")
		}
	default:
		r.fail("DATABASE_URL", "must begin with postgres:// or be file:PATH for SQLite")
	}
}

func (c *Config) readRedirect(r *reader) {
	set := 0
	for _, v := range []string{c.Redirect.Addr, c.Redirect.CAFile, c.Redirect.RootKey} {
		if v != "" {
			set++
		}
	}
	if set != 0 && set != 3 {
		r.fail("FLOWHQ_WHATSAPP_ADDR, FLOWHQ_WHATSAPP_CA, FLOWHQ_WHATSAPP_ROOT_KEY", "set all three or none")
	}
	unsafe := strings.Split(r.text("FLOWHQ_UNSAFE", ""), ",")
	c.Unsafe = whatsapp.Unsafe{NoMutex: slices.Contains(unsafe, "no-mutex"), NoBuffer: slices.Contains(unsafe, "no-buffer")}
	c.BlindTrust = slices.Contains(unsafe, "blind-trust")
	if set == 0 && (c.Unsafe != whatsapp.Unsafe{} || c.BlindTrust || c.CrashAt != "") {
		r.fail("FLOWHQ_UNSAFE, FLOWHQ_CRASH_AT", "are for tests against the simulator only")
	}
}

func (c *Config) readWorker(r *reader) {
	w := &c.Worker
	w.HumanPace = r.onOff("FLOWHQ_TYPING_DELAY", true)
	w.LoopGuard = r.onOff("FLOWHQ_LOOP_GUARD", w.HumanPace) // without human delays the numbers of the guard mean nothing
	w.Capacity = r.number("FLOWHQ_CAPACITY", w.Capacity, 1, 100_000)
	w.ConnectRate = float64(r.number("FLOWHQ_CONNECT_RATE", int(w.ConnectRate), 0, 10_000))
	w.ConnectBurst = r.number("FLOWHQ_CONNECT_BURST", w.ConnectBurst, 1, 100_000)
	w.OwnerPause = r.duration("FLOWHQ_OWNER_PAUSE", w.OwnerPause, 0, 24*time.Hour)
	ttl := r.duration("FLOWHQ_LEASE_TTL", w.Timings.TTL, time.Second, time.Minute)
	w.Timings = domain.LeaseTimings{Tick: ttl / 5, Soft: ttl * 8 / 15, Hard: ttl * 11 / 15, TTL: ttl}
}

func hostName() string {
	name, err := os.Hostname()
	if err != nil {
		return "flowhq"
	}
	return name
}

// Lines returns the effective values for the start log, secrets masked.
func (c Config) Lines() []any {
	whatsApp := "the real one"
	if c.Redirect.Active() {
		whatsApp = "REDIRECTED to " + c.Redirect.Addr
	}
	return []any{
		"database", maskURL(c.DatabaseURL), "db_conns", c.DBConns, "listen", c.ListenAddr, "replica", c.ReplicaName,
		"public_url", orDefault(c.PublicURL, "not set"), "trusted_proxies", orDefault(strings.Join(c.TrustedProxies, " "), "none"), "client_header", c.ClientHeader,
		"secret", masked(c.Secret), "metrics_token", masked(c.MetricsToken), "whatsapp", whatsApp,
		"typing_delay", c.Worker.HumanPace, "loop_guard", c.Worker.LoopGuard, "capacity", c.Worker.Capacity,
		"connect_rate", c.Worker.ConnectRate, "connect_burst", c.Worker.ConnectBurst, "lease_ttl", c.Worker.Timings.TTL.String(),
		"owner_pause", c.Worker.OwnerPause.String(),
	}
}

func orDefault(value, fallback string) string {
	if value == "" {
		return fallback
	}
	return value
}

func masked(secret string) string {
	if secret == "" {
		return "not set"
	}
	return "set"
}

// maskURL hides the password and the query of a database address.
func maskURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return raw
	}
	u.RawQuery = ""
	return u.Redacted()
}
