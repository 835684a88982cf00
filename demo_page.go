package main

import (
	"bytes"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"time"

	"github.com/gin-gonic/gin"
	"rsc.io/qr"

	"flowhq/domain"
	"flowhq/handlers"
	"flowhq/simulator"
)

// routes are the pages of the demo. They exist in this mode only.
func (d *demo) routes(r *gin.Engine, _ handlers.Pages) {
	page := template.Must(template.ParseFS(templateFiles, "demo/demo.html"))
	r.GET("/demo", func(c *gin.Context) {
		var out bytes.Buffer
		if err := page.Execute(&out, demoPage{Tenants: d.tenants, Customers: d.customers}); err != nil {
			_ = c.AbortWithError(http.StatusInternalServerError, err)
			return
		}
		c.Data(http.StatusOK, "text/html; charset=utf-8", out.Bytes())
	})
	r.GET("/demo/state", d.answer(d.state))
	r.POST("/demo/scan", d.answer(d.scan))
	r.POST("/demo/send", d.answer(d.send))
	r.GET("/demo/qr", d.drawQR)
}

type demoPage struct {
	Tenants   []domain.TenantView
	Customers []*simulator.Phone
}

// answer sends what an action returns, or its error as one sentence.
func (d *demo) answer(action func(*gin.Context, domain.TenantView) (any, error)) gin.HandlerFunc {
	return func(c *gin.Context) {
		i := slices.IndexFunc(d.tenants, func(v domain.TenantView) bool { return v.ID.String() == c.Query("tenant") })
		if i < 0 {
			c.JSON(http.StatusNotFound, gin.H{"error": "There is no such business."})
			return
		}
		v, err := d.app.Store.Tenants().Get(c, d.tenants[i].ID)
		if err == nil {
			var out any
			if out, err = action(c, v); err == nil {
				c.JSON(http.StatusOK, out)
				return
			}
		}
		c.JSON(http.StatusConflict, gin.H{"error": sentence(err)})
	}
}

type demoBubble struct {
	Mine   bool   `json:"mine"`
	Text   string `json:"text"`
	At     string `json:"at"`
	Status string `json:"status"`
}

type demoState struct {
	Status   string       `json:"status"`
	Session  string       `json:"session"`
	QR       string       `json:"qr"` // address of the picture; empty when there is none
	Expires  int          `json:"expires"`
	Reason   string       `json:"reason"`
	Messages []demoBubble `json:"messages"`
}

func (d *demo) state(c *gin.Context, v domain.TenantView) (any, error) {
	out := demoState{Status: string(v.Status), Session: string(v.Session.State), Reason: v.Session.Reason.Text(domain.LanguageEnglish), Messages: []demoBubble{}}
	if v.Session.QR != "" && v.Session.QRExpiresAt != nil {
		out.QR = fmt.Sprintf("/demo/qr?tenant=%s&at=%d", v.ID, v.Session.QRExpiresAt.Unix())
		out.Expires = max(0, int(time.Until(*v.Session.QRExpiresAt).Seconds()))
	}
	customer, err := d.customer(c)
	if err != nil {
		return nil, err
	}
	for _, m := range customer.Messages(d.owners[v.Phone]) {
		mine := m.From == customer.Number()
		out.Messages = append(out.Messages, demoBubble{Mine: mine, Text: m.Text, At: m.At.In(v.Config.Location()).Format("15:04"), Status: string(m.Status)})
	}
	return out, nil
}

func (d *demo) customer(c *gin.Context) (*simulator.Phone, error) {
	for _, p := range d.customers {
		if p.Number() == c.Query("customer") {
			return p, nil
		}
	}
	return nil, domain.Errorf(domain.KindNotFound, "There is no such customer.")
}

// scan is the owner holding the phone before the screen.
func (d *demo) scan(c *gin.Context, v domain.TenantView) (any, error) {
	if v.Session.QR == "" {
		return nil, domain.Errorf(domain.KindConflict, "There is no code to scan at the moment.")
	}
	if err := d.owners[v.Phone].ScanQR(c, v.Session.QR); err != nil {
		return nil, domain.Errorf(domain.KindConflict, "The phone could not be linked: %w", err)
	}
	return gin.H{"ok": true}, nil
}

func (d *demo) send(c *gin.Context, v domain.TenantView) (any, error) {
	customer, err := d.customer(c)
	if err != nil {
		return nil, err
	}
	text := domain.CleanText(c.PostForm("text"))
	if text == "" || len(text) > 4096 {
		return nil, domain.Errorf(domain.KindInvalid, "Write something of at most 4,096 characters.")
	}
	if _, err := customer.SendText(c, d.owners[v.Phone], text); err != nil {
		return nil, domain.Errorf(domain.KindConflict, "The message could not be sent: %w", err)
	}
	return gin.H{"ok": true}, nil
}

// drawQR draws the code that the tenant shows now.
func (d *demo) drawQR(c *gin.Context) {
	for _, t := range d.tenants {
		if t.ID.String() != c.Query("tenant") {
			continue
		}
		v, err := d.app.Store.Tenants().Get(c, t.ID)
		if err != nil || v.Session.QR == "" {
			break
		}
		code, err := qr.Encode(v.Session.QR, qr.M)
		if err != nil {
			break
		}
		code.Scale = 4
		c.Data(http.StatusOK, "image/png", code.PNG())
		return
	}
	c.Status(http.StatusNotFound)
}
