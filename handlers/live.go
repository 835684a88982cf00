package handlers

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"flowhq/domain"
)

// Polled fragments live below /admin/live. A viewer whose fragment is
// unchanged gets an empty 304 that costs no query of its own: who they are is
// remembered, and the version is asked for once a second for all viewers.

// liveFragment is one polled fragment.
type liveFragment struct {
	page, block string
	// version changes whenever the fragment does. key names the question: all
	// viewers with the same key share its answer.
	version func(*gin.Context) (key string, ask func(context.Context) (string, error))
	// load makes the page struct.
	load func(*gin.Context) (any, error)
}

const (
	versionPeriod = time.Second
	// sessionPeriod is how long an ended session goes unnoticed at most. It is
	// longer than the other, so that a version that is asked for every second
	// keeps it fresh.
	sessionPeriod = 2 * time.Second
	// A fragment is drawn anew after this time even without a change: what it
	// says may depend on the clock.
	redrawPeriod = time.Minute
)

func (s *Server) live(f liveFragment) gin.HandlerFunc {
	return s.do(func(c *gin.Context) error {
		key, ask := f.version(c)
		version, err := remember(c.Request.Context(), s.web.pulse, key, versionPeriod, s.noting(ask))
		if err != nil {
			return err
		}
		tag := s.ptag(c, version)
		c.Header("HX-PTag", tag)
		if c.GetHeader("HX-PTag") == tag {
			bare(c.Writer.Header())
			c.Status(http.StatusNotModified)
			c.Writer.WriteHeaderNow()
			return nil
		}
		d, err := s.web.drawn.get(tag, func() ([]byte, error) { return s.draw(c, f) })
		if err != nil {
			return err
		}
		d.send(c)
		return nil
	})
}

// noting keeps the revision of the login sessions that comes with a version, so
// that polls need no question of their own for it.
func (s *Server) noting(ask func(context.Context) (string, error)) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		version, err := ask(ctx)
		if raw, _, ok := strings.Cut(version, "|"); ok && err == nil {
			if revision, err := strconv.ParseInt(raw, 10, 64); err == nil {
				note(s.web.pulse, sessionsKey, revision)
			}
		}
		return version, err
	}
}

// send answers with a fragment, compressed if the browser likes that.
func (d *drawing) send(c *gin.Context) {
	body := d.plain
	if strings.Contains(c.GetHeader("Accept-Encoding"), "gzip") {
		body = d.packed
		c.Header("Content-Encoding", "gzip")
	}
	c.Header("Vary", "Accept-Encoding")
	c.Header("Content-Length", strconv.Itoa(len(body)))
	c.Data(http.StatusOK, "text/html; charset=utf-8", body)
}

// draw works for every viewer who waits for it, so it does not end with the
// request that happened to come first.
func (s *Server) draw(c *gin.Context, f liveFragment) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request.Context()), askDeadline)
	defer cancel()
	c.Request = c.Request.WithContext(ctx)
	page, err := f.load(c)
	if err != nil {
		return nil, err
	}
	lang := s.lang(c)
	return s.web.screens.execute(lang, f.page, f.block, view{Frame: frame{Lang: lang, Path: c.Request.URL.RequestURI(), Zone: operatorZone, Demo: s.Extra != nil}, Page: page})
}

// ptag marks one state of one fragment in one language.
func (s *Server) ptag(c *gin.Context, version string) string {
	h := sha256.New()
	for _, part := range []string{c.Request.URL.RequestURI(), s.lang(c), version, s.web.started,
		time.Now().Truncate(redrawPeriod).UTC().Format(time.RFC3339)} {
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:12])
}

// drawings keeps what was drawn last, so that viewers of the same fragment
// share the work. What a fragment shows depends on its address, the language
// and the version only, never on who looks.
type drawings struct {
	mu    sync.Mutex
	byTag map[string]*drawing
}

type drawing struct {
	once          sync.Once
	plain, packed []byte // packed once for all viewers
	err           error
}

const maxDrawings = 256

var errNotDrawn = errors.New("the fragment was not drawn")

func (d *drawings) get(tag string, draw func() ([]byte, error)) (*drawing, error) {
	d.mu.Lock()
	one := d.byTag[tag]
	if one == nil {
		if len(d.byTag) >= maxDrawings {
			clear(d.byTag)
		}
		one = new(drawing)
		d.byTag[tag] = one
	}
	d.mu.Unlock()
	one.once.Do(func() {
		one.err = errNotDrawn // stays should draw panic
		if one.plain, one.err = draw(); one.err == nil {
			one.packed, one.err = compressed(one.plain)
		}
	})
	if one.err != nil {
		d.mu.Lock()
		delete(d.byTag, tag)
		d.mu.Unlock()
	}
	return one, one.err
}

// onlookers remembers who is behind a login token, for polls only. The
// revision of the sessions, asked for once a second, empties it whenever a
// session ended early anywhere; a poll never prolongs a session.
type onlookers struct {
	mu       sync.Mutex
	revision int64
	known    map[string]onlooker
}

type onlooker struct {
	who   *visitor
	until time.Time
}

const (
	maxOnlookers = 50_000
	onlookerLife = 10 * time.Minute // until the end of an idle session is noticed
	ruleLife     = 10 * time.Second // until a change of what is required is noticed
)

// onlooker is the middleware of polled fragments.
func (s *Server) onlooker(c *gin.Context) error {
	cookie, err := c.Request.Cookie(s.web.logins.Cookie.Name)
	if err != nil {
		return errSignIn
	}
	ctx := c.Request.Context()
	revision, err := remember(ctx, s.web.pulse, sessionsKey, sessionPeriod, s.Logins.Revision)
	if err != nil {
		return err
	}
	who := s.web.onlookers.find(cookie.Value, revision)
	if who == nil {
		if who, err = s.lookUp(ctx, cookie.Value, revision); err != nil {
			return err
		}
	}
	if who.User.Role != domain.RoleAdmin {
		return domain.Errorf(domain.KindForbidden, "This page is for the operator.")
	}
	if missing, err := s.missesSecondFactor(ctx, who, ruleLife); err != nil || missing {
		return cmp.Or(err, error(errSignIn)) // the page to which they are sent back says more
	}
	c.Set(visitorKey, who)
	return nil
}

// lookUp reads a session without touching it.
func (s *Server) lookUp(ctx context.Context, token string, revision int64) (*visitor, error) {
	loaded, err := s.web.logins.Load(ctx, token)
	if err != nil {
		return nil, err
	}
	id, err := uuid.Parse(s.web.logins.GetString(loaded, keyUser))
	if err != nil {
		return nil, errSignIn
	}
	who, err := s.visitorByID(ctx, id)
	if err != nil {
		return nil, err
	}
	if who == nil {
		return nil, errSignIn
	}
	s.web.onlookers.add(token, revision, onlooker{who, time.Now().Add(onlookerLife)})
	return who, nil
}

func (o *onlookers) find(token string, revision int64) *visitor {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.revision != revision {
		clear(o.known)
		o.revision = revision
	}
	seen, ok := o.known[token]
	if !ok || time.Now().After(seen.until) {
		return nil
	}
	return seen.who
}

func (o *onlookers) add(token string, revision int64, seen onlooker) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.revision != revision {
		return
	}
	if len(o.known) >= maxOnlookers {
		clear(o.known)
	}
	o.known[token] = seen
}
