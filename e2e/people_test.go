package e2e

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"flowhq/simulator"
)

// shop is a tenant with the phone of its owner.
type shop struct {
	w     *world
	id    string
	owner *simulator.Phone
}

// number makes a Tanzanian mobile number that nobody has yet.
func (w *world) number() string { return fmt.Sprintf("+2557540%05d", w.numbers.Add(1)) }

// phone makes somebody with a phone.
func (w *world) phone(name string) (*simulator.Phone, error) {
	return w.wa.NewPhone(simulator.PhoneOptions{Number: w.number(), PushName: name})
}

// input is what a tenant is created with.
type input map[string]any

var salon = input{"business_name": "Asha Salon", "template_type": "BOOKING", "language": "EN", "timezone": "Africa/Dar_es_Salaam",
	"services": []input{{"name": "Haircut", "price_tzs": 5000, "minutes": 30}, {"name": "Manicure", "price_tzs": 15000, "minutes": 60}}}

var swahiliSalon = input{"business_name": "Asha Salon", "template_type": "BOOKING", "language": "SW", "address": "Mikocheni",
	"services": []input{{"name": "Kunyoa", "price_tzs": 5000, "minutes": 30}, {"name": "Kusuka", "price_tzs": 25000, "minutes": 120}}}

// create makes a tenant and its owner's phone; nothing is linked yet.
func (w *world) create(in input) (*shop, error) {
	owner, err := w.phone("Owner")
	if err != nil {
		return nil, err
	}
	body := input{"name": "Shop " + owner.Number(), "phone_number": owner.Number()}
	for k, v := range in {
		body[k] = v
	}
	var created tenantView
	if err := w.ask(http.MethodPost, "/api/v1/tenants", body, &created); err != nil {
		return nil, err
	}
	return &shop{w: w, id: created.ID, owner: owner}, nil
}

// open makes a tenant whose phone is linked and which answers.
func (w *world) open(in input) (*shop, error) {
	s, err := w.create(in)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := s.ask(http.MethodPost, "/worker/start", nil, nil); err != nil {
		return nil, err
	}
	if err := s.scan(ctx); err != nil {
		return nil, err
	}
	return s, s.awaitStatus(ctx, "ACTIVE")
}

func (w *world) created(t *testing.T, in input) *shop {
	t.Helper()
	s, err := w.create(in)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (w *world) opened(t *testing.T, in input) *shop {
	t.Helper()
	s, err := w.open(in)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *shop) path(rest string) string { return "/api/v1/tenants/" + s.id + rest }

func (s *shop) ask(method, path string, body, into any) error {
	return s.w.ask(method, s.path(path), body, into)
}

// does makes a request about the tenant that must succeed.
func (s *shop) does(t *testing.T, method, path string, body any) tenantView {
	t.Helper()
	var v tenantView
	s.w.must(t, method, s.path(path), body, &v)
	return v
}

// scan waits for a code and scans it with the owner's phone.
func (s *shop) scan(ctx context.Context) error {
	var link linkView
	err := await(ctx, "a code to scan is shown", func() (bool, string) {
		link = linkView{}
		err := s.ask(http.MethodGet, "/session", nil, &link)
		return err == nil && link.QR != "", fmt.Sprintf("%+v %v", link, err)
	})
	if err != nil {
		return err
	}
	if err := s.owner.ScanQR(ctx, link.QR); err != nil {
		return fmt.Errorf("scan the code: %w", err)
	}
	return nil
}

func (s *shop) scanned(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.scan(ctx); err != nil {
		t.Fatal(err)
	}
}

func (s *shop) awaitStatus(ctx context.Context, status string) error {
	return await(ctx, "the tenant is "+status, func() (bool, string) {
		var v tenantView
		err := s.ask(http.MethodGet, "", nil, &v)
		return err == nil && v.Status == status, fmt.Sprintf("%+v %v", v, err)
	})
}

func (s *shop) becomes(t *testing.T, status string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.awaitStatus(ctx, status); err != nil {
		t.Fatal(err)
	}
}

func (s *shop) tenant(t *testing.T) (v tenantView) {
	t.Helper()
	s.w.must(t, http.MethodGet, s.path(""), nil, &v)
	return v
}

func (s *shop) session(t *testing.T) (v linkView) {
	t.Helper()
	s.w.must(t, http.MethodGet, s.path("/session"), nil, &v)
	return v
}

// shows waits until the session gives this reason.
func (s *shop) shows(t *testing.T, reason string) linkView {
	t.Helper()
	var v linkView
	eventually(t, "the session says "+reason, patience, func() (bool, string) {
		v = s.session(t)
		return v.Reason == reason, fmt.Sprintf("%+v", v)
	})
	return v
}

// log returns the messages of the tenant, oldest first.
func (s *shop) log(t *testing.T) []messageView {
	t.Helper()
	var all []messageView
	for cursor := ""; ; {
		var page struct {
			Items      []messageView `json:"items"`
			NextCursor string        `json:"next_cursor"`
		}
		s.w.must(t, http.MethodGet, s.path("/messages?limit=100&cursor="+cursor), nil, &page)
		for _, m := range page.Items {
			all = append([]messageView{m}, all...)
		}
		if cursor = page.NextCursor; cursor == "" {
			return all
		}
	}
}

// logged waits until a message with this WhatsApp id is in the log in one of the states.
func (s *shop) logged(t *testing.T, waID string, states ...string) messageView {
	t.Helper()
	var found messageView
	eventually(t, fmt.Sprintf("message %s is logged as %v", waID, states), patience, func() (bool, string) {
		log := s.log(t)
		for _, m := range log {
			if m.WAMessageID != waID {
				continue
			}
			for _, state := range states {
				if found = m; m.Status == state {
					return true, ""
				}
			}
		}
		return false, fmt.Sprintf("%+v", log)
	})
	return found
}

// customer is somebody who writes to shops.
type customer struct {
	*simulator.Phone
	read map[string]bool // ids of messages that the test has looked at
}

func (w *world) customer(t *testing.T, name string) *customer {
	t.Helper()
	p, err := w.phone(name)
	if err != nil {
		t.Fatal(err)
	}
	return &customer{p, map[string]bool{}}
}

// writes sends a text and returns its WhatsApp id.
func (c *customer) writes(t *testing.T, to *shop, text string, opts ...simulator.SendOption) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	id, err := c.SendText(ctx, to.owner, text, opts...)
	if err != nil {
		t.Fatalf("write %q: %v", text, err)
	}
	return id
}

// reads returns the next message of the shop that the test has not looked at.
func (c *customer) reads(t *testing.T, from *shop) simulator.Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	m, err := c.Wait(ctx, func(m simulator.Message) bool { return m.From == from.owner.Number() && !c.read[m.ID] })
	if err != nil {
		t.Fatalf("no message of the shop is shown: %v; the chat is %+v", err, c.Messages(from.owner))
	}
	c.read[m.ID] = true
	return m
}

// asks writes and reads the answer.
func (c *customer) asks(t *testing.T, shop *shop, text string, opts ...simulator.SendOption) string {
	t.Helper()
	c.writes(t, shop, text, opts...)
	return c.reads(t, shop).Text
}

// shown counts the messages of the shop on the customer's phone.
func (c *customer) shown(from *shop) int {
	n := 0
	for _, m := range c.Messages(from.owner) {
		if m.From == from.owner.Number() {
			n++
		}
	}
	return n
}
