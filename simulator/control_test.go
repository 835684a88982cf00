package simulator_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"flowhq/simulator"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types/events"
)

// control is another process that drives the simulator over HTTP.
type control struct {
	t    *testing.T
	base string
}

func newControl(t *testing.T, wa *simulator.Server) control {
	srv := httptest.NewServer(wa.ControlHandler())
	t.Cleanup(srv.Close)
	return control{t, srv.URL}
}

// call expects a status and decodes the answer into out, if that is not nil.
func (c control) call(status int, method, path string, body, out any) []byte {
	c.t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		c.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(deadline(c.t), method, c.base+path, bytes.NewReader(raw))
	if err != nil {
		c.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	if resp.StatusCode != status {
		c.t.Fatalf("%s %s: status %d, want %d: %s", method, path, resp.StatusCode, status, answer)
	}
	if out != nil {
		if err = json.Unmarshal(answer, out); err != nil {
			c.t.Fatalf("%s %s: %v in %s", method, path, err, answer)
		}
	}
	return answer
}

type object map[string]any

func TestControl_AWholeConversationOverHTTP(t *testing.T) {
	t.Parallel()
	wa := startServer(t, simulator.Options{})
	c := newControl(t, wa)
	const owner, customer = "+255700000001", "+255712000001"
	c.call(200, "POST", "/phones", object{"number": owner, "push_name": "Duka"}, nil)
	c.call(200, "POST", "/phones", object{"number": customer, "push_name": "Asha"}, nil)
	c.call(409, "POST", "/phones", object{"number": customer}, nil)
	c.call(422, "POST", "/phones", object{"number": "0712"}, nil)

	b := newBot(t, wa, nil)
	if err := b.Connect(); err != nil {
		t.Fatal(err)
	}
	qr := wait[*events.QR](b, "QR", nil).Codes[0]
	c.call(204, "POST", "/phones/"+owner+"/scan", object{"qr": qr}, nil)
	c.call(409, "POST", "/phones/"+owner+"/scan", object{"qr": qr}, nil)
	wait[*events.Connected](b, "Connected", nil)
	wait(b, "app state", func(e *events.AppStateSyncComplete) bool { return e.Name == "regular_low" })
	var phone struct {
		Devices []simulator.Companion `json:"devices"`
	}
	c.call(200, "GET", "/phones/"+owner, nil, &phone)
	if len(phone.Devices) != 1 || !phone.Devices[0].Active {
		t.Fatalf("devices: %+v", phone.Devices)
	}

	var sent struct{ ID string }
	c.call(200, "POST", "/phones/"+customer+"/messages", object{"to": owner, "text": "habari", "via_pn": true}, &sent)
	in := wait(b, "message", withText("habari"))
	if in.Info.ID != sent.ID {
		t.Errorf("id %s, want %s", in.Info.ID, sent.ID)
	}
	b.mustSend(in.Info.Chat, "karibu")
	var shown simulator.Message
	c.call(200, "GET", "/phones/"+customer+"/wait?with="+url.QueryEscape(owner)+"&text=karibu", nil, &shown)
	if shown.From != owner {
		t.Errorf("shown: %+v", shown)
	}
	c.call(408, "GET", "/phones/"+customer+"/wait?contains=never&timeout=10ms", nil, nil)
	var chat struct{ Messages []simulator.Message }
	c.call(200, "GET", "/phones/"+customer+"/messages?with="+url.QueryEscape(owner), nil, &chat)
	if len(chat.Messages) != 2 {
		t.Errorf("chat: %+v", chat)
	}
	var ledger simulator.Ledger
	c.call(200, "GET", "/ledger", nil, &ledger)
	if ledger.PerTenant[owner].Shown != 1 || ledger.Sent != 1 {
		t.Errorf("ledger: %+v", ledger)
	}
	c.call(204, "DELETE", "/phones/"+owner+"/devices/1", nil, nil)
	wait[*events.LoggedOut](b, "LoggedOut", nil)
}

func TestControl_MediaAndFaults(t *testing.T) {
	t.Parallel()
	s := openShop(t, nil)
	c := newControl(t, s.wa)
	c.call(200, "POST", "/phones/"+s.customer.Number()+"/messages",
		object{"to": s.owner.Number(), "kind": "image", "data": []byte("a picture"), "text": "look"}, nil)
	in := wait(s.bot, "image", func(m *events.Message) bool { return m.Message.GetImageMessage() != nil })
	if got, err := s.bot.Download(deadline(t), in.Message.GetImageMessage()); err != nil || string(got) != "a picture" {
		t.Errorf("image: %q, %v", got, err)
	}
	if got := c.call(200, "GET", "/phones/"+s.owner.Number()+"/media/"+in.Info.ID, nil, nil); string(got) != "a picture" {
		t.Errorf("media over http: %q", got)
	}
	c.call(404, "GET", "/phones/"+s.owner.Number()+"/media/nothing", nil, nil)

	c.call(204, "POST", "/faults/restricted-463", object{"number": s.owner.Number()}, nil)
	stranger := newPhone(t, s.wa, "+255712000009", "")
	if _, err := s.bot.send(stranger.JID(), "offer"); err == nil {
		t.Error("restriction has no effect")
	}
	c.call(204, "DELETE", "/faults?number="+url.QueryEscape(s.owner.Number()), nil, nil)
	s.bot.mustSend(stranger.JID(), "offer", whatsmeow.SendRequestExtra{})
	var again struct{ Delivered int }
	c.call(200, "POST", "/faults/redeliver", object{"number": s.owner.Number(), "n": 5}, &again)
	if again.Delivered != 1 {
		t.Errorf("redelivered %d, want 1", again.Delivered)
	}
	c.call(422, "POST", "/faults/earthquake", object{}, nil)
	c.call(404, "POST", "/faults/slow", object{"number": "+255788888888"}, nil)

	c.call(204, "PUT", "/phones/"+s.customer.Number()+"/airplane", object{"on": true}, nil)
	c.call(409, "POST", "/phones/"+s.customer.Number()+"/messages", object{"to": s.owner.Number(), "text": "x"}, nil)
}
