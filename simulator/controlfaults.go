package simulator

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// faultRequest is the body of POST /faults/{fault}. Which fields matter depends on the fault.
type faultRequest struct {
	Number string  `json:"number"` // "" is everybody
	From   string  `json:"from"`   // an IP address
	On     *bool   `json:"on"`     // of states; true when left out
	P      float64 `json:"p"`      // probability
	Millis int64   `json:"ms"`     // delay
	Code   int     `json:"code"`
	Expire int64   `json:"expire_s"`
	N      int     `json:"n"` // how many; 1 when left out
	Other  bool    `json:"other"`
}

func (r faultRequest) on() bool { return r.On == nil || *r.On }

func (r faultRequest) delay() time.Duration { return time.Duration(r.Millis) * time.Millisecond }

// faultCalls maps the names of the control API to the methods of Faults.
var faultCalls = map[string]func(*Faults, faultRequest) any{
	"drop-connections":        func(f *Faults, r faultRequest) any { f.DropConnections(r.Number); return nil },
	"refuse-connections":      func(f *Faults, r faultRequest) any { f.RefuseConnections(r.Number, r.on()); return nil },
	"refuse-connections-from": func(f *Faults, r faultRequest) any { f.RefuseConnectionsFrom(r.Number, r.From); return nil },
	"service-unavailable":     func(f *Faults, r faultRequest) any { f.ServiceUnavailable(r.Number, r.on()); return nil },
	"drop-acks":               func(f *Faults, r faultRequest) any { f.DropAcks(r.Number, r.P); return nil },
	"hold-acks":               func(f *Faults, r faultRequest) any { f.HoldAcks(r.Number, r.on()); return nil },
	"delay-acks":              func(f *Faults, r faultRequest) any { f.DelayAcks(r.Number, r.delay()); return nil },
	"swallow-server-acks":     func(f *Faults, r faultRequest) any { f.SwallowServerAcks(r.Number, r.P); return nil },
	"undecryptable-some":      func(f *Faults, r faultRequest) any { f.UndecryptableSome(r.Number, r.P); return nil },
	"redeliver-some":          func(f *Faults, r faultRequest) any { f.RedeliverSome(r.Number, r.P); return nil },
	"replaced":                func(f *Faults, r faultRequest) any { f.Replaced(r.Number); return nil },
	"cut-linked":              func(f *Faults, r faultRequest) any { f.CutLinked(r.Number, r.on()); return nil },
	"keep-replaced":           func(f *Faults, r faultRequest) any { f.KeepReplaced(r.Number, r.on()); return nil },
	"logged-out":              func(f *Faults, r faultRequest) any { f.LoggedOut(r.Number); return nil },
	"temp-ban": func(f *Faults, r faultRequest) any {
		f.TempBan(r.Number, r.Code, time.Duration(r.Expire)*time.Second)
		return nil
	},
	"restricted-463":     func(f *Faults, r faultRequest) any { f.Restricted463(r.Number, r.on()); return nil },
	"outdated-405":       func(f *Faults, r faultRequest) any { f.Outdated405(r.on()); return nil },
	"slow":               func(f *Faults, r faultRequest) any { f.Slow(r.delay()); return nil },
	"undecryptable-once": func(f *Faults, r faultRequest) any { f.UndecryptableOnce(r.Number); return nil },
	"corrupt-once":       func(f *Faults, r faultRequest) any { f.CorruptOnce(r.Number); return nil },
	"redeliver": func(f *Faults, r faultRequest) any {
		n := f.redeliver(r.Number, max(r.N, 1), r.Other)
		return map[string]int{"delivered": n}
	},
}

func (s *Server) controlFault(r *http.Request) (any, error) {
	call := faultCalls[r.PathValue("fault")]
	if call == nil {
		var names []string
		for name := range faultCalls {
			names = append(names, name)
		}
		slices.Sort(names)
		return nil, errBadRequest("unknown fault; known are " + strings.Join(names, ", "))
	}
	var in faultRequest
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	if in.Number != "" && s.Phone(in.Number) == nil {
		return nil, ErrUnknownPhone
	}
	return call(&s.faults, in), nil
}
