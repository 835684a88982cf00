package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"
)

// reply is an answer of the HTTP API.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// errorForm is how the API says no.
type errorForm struct {
	Error struct {
		Kind    string            `json:"kind"`
		Message string            `json:"message"`
		Fields  map[string]string `json:"fields"`
	} `json:"error"`
}

func (r reply) failure() errorForm {
	var f errorForm
	_ = json.Unmarshal(r.body, &f)
	return f
}

var httpClient = &http.Client{Timeout: 40 * time.Second}

// try makes one request; body may be nil, a string (sent as it is) or anything
// that becomes JSON. Headers are name, value, name, value.
func (w *world) try(method, path, key string, body any, headers ...string) (reply, error) {
	var content io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		content = bytes.NewReader([]byte(b))
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			return reply{}, err
		}
		content = bytes.NewReader(raw)
	}
	req, err := http.NewRequest(method, "http://"+w.child.addr+path, content)
	if err != nil {
		return reply{}, err
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := httpClient.Do(req)
	if err != nil {
		return reply{}, fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return reply{}, fmt.Errorf("%s %s: %w", method, path, err)
	}
	return reply{resp.StatusCode, resp.Header, raw}, nil
}

// ask makes a request with the admin key that must succeed, and decodes the answer.
func (w *world) ask(method, path string, body, into any, headers ...string) error {
	r, err := w.try(method, path, w.key, body, headers...)
	if err != nil {
		return err
	}
	if r.status >= 300 {
		return fmt.Errorf("%s %s answered %d: %s", method, path, r.status, r.body)
	}
	if into == nil || len(r.body) == 0 {
		return nil
	}
	if err := json.Unmarshal(r.body, into); err != nil {
		return fmt.Errorf("%s %s answered no JSON of the expected form: %w: %s", method, path, err, r.body)
	}
	return nil
}

func (w *world) must(t *testing.T, method, path string, body, into any, headers ...string) {
	t.Helper()
	if err := w.ask(method, path, body, into, headers...); err != nil {
		t.Fatal(err)
	}
}

// refused makes a request that must fail in the form of the contract.
func (w *world) refused(t *testing.T, method, path, key string, body any, status int, kind string) errorForm {
	t.Helper()
	r, err := w.try(method, path, key, body)
	if err != nil {
		t.Fatal(err)
	}
	f := r.failure()
	if r.status != status || f.Error.Kind != kind || f.Error.Message == "" {
		t.Errorf("%s %s answered %d %s, want %d and kind %s with a message", method, path, r.status, r.body, status, kind)
	}
	return f
}

// tenantView is a tenant as the API shows it.
type tenantView struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	PhoneNumber string `json:"phone_number"`
	Status      string `json:"status"`
	Config      struct {
		TemplateType string `json:"template_type"`
		Language     string `json:"language"`
	} `json:"config"`
	Session struct {
		State string `json:"state"`
	} `json:"session"`
	Worker struct {
		Status    string `json:"status"`
		Replica   string `json:"replica"`
		LastError string `json:"last_error"`
	} `json:"worker"`
}

// linkView is the session of a tenant as the API shows it.
type linkView struct {
	State       string     `json:"state"`
	QR          string     `json:"qr"`
	QRExpiresAt *time.Time `json:"qr_expires_at"`
	PairingCode string     `json:"pairing_code"`
	JID         string     `json:"jid"`
	Reason      string     `json:"reason"`
	ReasonText  string     `json:"reason_text"`
	RetryAt     *time.Time `json:"retry_at"`
}

// messageView is a message as the API shows it.
type messageView struct {
	ID          string    `json:"id"`
	Direction   string    `json:"direction"`
	FromNumber  string    `json:"from_number"`
	ToNumber    string    `json:"to_number"`
	MessageText string    `json:"message_text"`
	Kind        string    `json:"kind"`
	WAMessageID string    `json:"wa_message_id"`
	Status      string    `json:"status"`
	Reason      string    `json:"reason"`
	CreatedAt   time.Time `json:"created_at"`
}
