package simulator

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	controlBodyLimit = 32 << 20
	controlTimeout   = 30 * time.Second // of pairing, and of waiting unless asked otherwise
	controlMaxWait   = 10 * time.Minute
)

// ControlHandler lets other processes, such as load tests and scripts, do over HTTP what the methods of
// this package do: JSON in, JSON out, {"error":{"kind":…,"message":…}} with a matching status on failure.
// It asks for no credentials: serve it on loopback only. The README lists the routes.
func (s *Server) ControlHandler() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, f func(*http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(w, r.Body, controlBodyLimit)
			answer, err := f(r)
			reply(w, answer, err)
		})
	}
	handle("GET /settings", s.controlSettings)
	handle("GET /ledger", func(*http.Request) (any, error) { return s.Ledger(), nil })
	handle("POST /phones", s.controlNewPhone)
	handle("POST /faults/{fault}", s.controlFault)
	handle("DELETE /faults", func(r *http.Request) (any, error) {
		s.faults.Clear(r.URL.Query().Get("number"))
		return nil, nil
	})
	phone := func(pattern string, f func(*Phone, *http.Request) (any, error)) {
		handle(pattern, func(r *http.Request) (any, error) {
			p := s.Phone(r.PathValue("number"))
			if p == nil {
				return nil, ErrUnknownPhone
			}
			return f(p, r)
		})
	}
	phone("GET /phones/{number}", func(p *Phone, _ *http.Request) (any, error) { return p.describe(), nil })
	phone("GET /phones/{number}/unacked", func(p *Phone, _ *http.Request) (any, error) {
		return map[string][]string{"ids": append([]string{}, s.Unacked(p.Number())...)}, nil
	})
	phone("POST /phones/{number}/scan", controlScan)
	phone("POST /phones/{number}/pairing-code", controlPairingCode)
	phone("DELETE /phones/{number}/devices/{id}", controlUnlink)
	phone("POST /phones/{number}/messages", controlSend)
	phone("GET /phones/{number}/messages", controlMessages)
	phone("GET /phones/{number}/wait", controlWait)
	phone("PUT /phones/{number}/airplane", controlAirplane)
	phone("PUT /phones/{number}/push-name", controlPushName)
	mux.HandleFunc("GET /phones/{number}/media/{id}", s.controlMedia)
	return mux
}

// phoneState is a phone as the control API shows it.
type phoneState struct {
	Number   string      `json:"number"`
	JID      string      `json:"jid"`
	LID      string      `json:"lid"`
	PushName string      `json:"push_name"`
	Airplane bool        `json:"airplane"`
	Devices  []Companion `json:"devices"`
}

func (p *Phone) describe() phoneState {
	return phoneState{
		Number: p.Number(), JID: p.JID().String(), LID: p.lid.String(), PushName: p.PushName(),
		Airplane: p.Airplane(), Devices: append([]Companion{}, p.Devices()...),
	}
}

func (s *Server) controlSettings(*http.Request) (any, error) {
	return map[string]string{"addr": s.Addr(), "ca_pem": string(s.tls.caPEM), "root_key": s.RootKeyHex()}, nil
}

func (s *Server) controlNewPhone(r *http.Request) (any, error) {
	var in struct {
		Number       string `json:"number"`
		PushName     string `json:"push_name"`
		LID          string `json:"lid"`
		BusinessName string `json:"business_name"`
		NoReceipts   bool   `json:"no_receipts"`
	}
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	p, err := s.NewPhone(PhoneOptions(in))
	if err != nil {
		return nil, err
	}
	return p.describe(), nil
}

func controlScan(p *Phone, r *http.Request) (any, error) {
	var in struct {
		QR string `json:"qr"`
	}
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), controlTimeout)
	defer cancel()
	return nil, p.ScanQR(ctx, in.QR)
}

func controlPairingCode(p *Phone, r *http.Request) (any, error) {
	var in struct {
		Code string `json:"code"`
	}
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), controlTimeout)
	defer cancel()
	return nil, p.EnterPairingCode(ctx, in.Code)
}

func controlUnlink(p *Phone, r *http.Request) (any, error) {
	id, err := strconv.ParseUint(r.PathValue("id"), 10, 16)
	if err != nil {
		return nil, ErrUnknownDevice
	}
	return nil, p.Unlink(uint16(id))
}

func controlSend(p *Phone, r *http.Request) (any, error) {
	var in struct {
		To               string    `json:"to"`
		Text             string    `json:"text"` // the caption, if there is media
		Kind             string    `json:"kind"`
		Data             []byte    `json:"data"` // base64
		MimeType         string    `json:"mime_type"`
		FileName         string    `json:"file_name"`
		ID               string    `json:"id"`
		Quote            string    `json:"quote"`
		At               time.Time `json:"at"`
		ViaPN            bool      `json:"via_pn"`
		WithoutAlternate bool      `json:"without_alternate"`
	}
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	to := p.srv.Phone(in.To)
	if to == nil {
		return nil, ErrUnknownPhone
	}
	option := func(o *sendOptions) {
		o.viaPN, o.noAlt, o.quoted = in.ViaPN, in.WithoutAlternate, in.Quote
		o.mime, o.fileName, o.caption = in.MimeType, in.FileName, in.Text
		o.id, o.at = in.ID, in.At
	}
	var id string
	var err error
	if in.Kind == "" || in.Kind == "text" {
		id, err = p.SendText(r.Context(), to, in.Text, option)
	} else {
		id, err = p.SendMedia(r.Context(), to, in.Kind, in.Data, option)
	}
	if err != nil {
		return nil, err
	}
	return map[string]string{"id": id}, nil
}

func controlMessages(p *Phone, r *http.Request) (any, error) {
	var with *Phone
	if number := r.URL.Query().Get("with"); number != "" {
		if with = p.srv.Phone(number); with == nil {
			return nil, ErrUnknownPhone
		}
	}
	return map[string][]Message{"messages": p.Messages(with)}, nil
}

// controlWait answers with the first message that fits everything in the query.
func controlWait(p *Phone, r *http.Request) (any, error) {
	q := r.URL.Query()
	timeout := controlTimeout
	if given := q.Get("timeout"); given != "" {
		d, err := time.ParseDuration(given)
		if err != nil || d <= 0 || d > controlMaxWait {
			return nil, errBadRequest("timeout must be a duration such as 30s, at most 10m")
		}
		timeout = d
	}
	var with string
	if number := q.Get("with"); number != "" {
		other := p.srv.Phone(number)
		if other == nil {
			return nil, ErrUnknownPhone
		}
		with = other.Number()
	}
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	return p.Wait(ctx, func(m Message) bool {
		return (with == "" || m.Chat == with) && (!q.Has("text") || m.Text == q.Get("text")) &&
			strings.Contains(m.Text, q.Get("contains")) && (!q.Has("id") || m.ID == q.Get("id"))
	})
}

func controlAirplane(p *Phone, r *http.Request) (any, error) {
	var in struct {
		On bool `json:"on"`
	}
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	p.SetAirplane(in.On)
	return nil, nil
}

func controlPushName(p *Phone, r *http.Request) (any, error) {
	var in struct {
		Name string `json:"name"`
	}
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	return nil, p.SetPushName(in.Name)
}

func (s *Server) controlMedia(w http.ResponseWriter, r *http.Request) {
	p := s.Phone(r.PathValue("number"))
	if p == nil {
		reply(w, nil, ErrUnknownPhone)
		return
	}
	for _, m := range p.Messages(nil) {
		if m.ID == r.PathValue("id") {
			data, err := s.Download(m)
			if err != nil {
				reply(w, nil, err)
				return
			}
			w.Header().Set("Content-Type", m.MimeType)
			w.Header().Set("X-Content-Type-Options", "nosniff")
			_, _ = w.Write(data)
			return
		}
	}
	reply(w, nil, ErrNoMedia)
}

// errBadRequest is an error in what the caller sent.
type errBadRequest string

func (e errBadRequest) Error() string { return string(e) }

func decode(r *http.Request, into any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return errBadRequest("body: " + err.Error())
	}
	return nil
}

func reply(w http.ResponseWriter, answer any, err error) {
	if err == nil && answer == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		status, kind := classify(err)
		w.WriteHeader(status)
		answer = map[string]any{"error": map[string]string{"kind": kind, "message": err.Error()}}
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func classify(err error) (status int, kind string) {
	var bad errBadRequest
	switch {
	case errors.As(err, &bad), errors.Is(err, ErrBadNumber), errors.Is(err, ErrMediaKind):
		return http.StatusUnprocessableEntity, "invalid"
	case errors.Is(err, ErrUnknownPhone), errors.Is(err, ErrUnknownDevice), errors.Is(err, ErrNoMedia),
		errors.Is(err, ErrMediaExpired), errors.Is(err, ErrNoPairingCode):
		return http.StatusNotFound, "not_found"
	case errors.Is(err, ErrNumberTaken), errors.Is(err, ErrOffline), errors.Is(err, ErrBadQR),
		errors.Is(err, ErrWrongCode), errors.Is(err, ErrPairRefused), errors.Is(err, ErrTooManyLinked):
		return http.StatusConflict, "conflict"
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusRequestTimeout, "timeout"
	case errors.Is(err, ErrQueueFull), errors.Is(err, ErrClosed):
		return http.StatusServiceUnavailable, "unavailable"
	default:
		return http.StatusInternalServerError, "internal"
	}
}
