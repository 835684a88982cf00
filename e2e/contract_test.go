package e2e

import (
	"net/http"
	"strings"
	"testing"
)

const nobody = "01940000-0000-7000-8000-000000000000"

func TestAPI_RefusesInTheFormOfTheContract(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		shop, foreign := w.opened(t, salon), w.created(t, salon)
		own := w.tenantKey(t, shop.id)
		huge := `{"to":"+255754000001","text":"` + strings.Repeat("x", 1<<20) + `"}`
		tenants, messages := "/api/v1/tenants", shop.path("/messages")
		for _, tt := range []struct {
			name, method, path, key string
			body                    any
			status                  int
			kind, field             string
		}{
			{"no key", "GET", tenants, "", nil, 401, "unauthorized", ""},
			{"a wrong key", "GET", tenants, "fhq_wrong", nil, 401, "unauthorized", ""},
			{"a key with a NUL byte inside", "GET", tenants, "fhq_%00", nil, 401, "unauthorized", ""},
			{"a tenant key may not create tenants", "POST", tenants, own, salon, 403, "forbidden", ""},
			{"an unknown address", "GET", "/api/v1/nothing", w.key, nil, 404, "not_found", ""},
			{"an unknown method", "PUT", tenants, w.key, nil, 405, "invalid", ""},
			{"an unknown tenant", "GET", "/api/v1/tenants/" + nobody, w.key, nil, 404, "not_found", ""},
			{"an id that is none", "GET", "/api/v1/tenants/1%20OR%201=1", w.key, nil, 404, "not_found", ""},
			{"an unknown message", "GET", messages + "/" + nobody, w.key, nil, 404, "not_found", ""},
			{"a message id that is none", "GET", messages + "/x", w.key, nil, 404, "not_found", ""},
			{"a foreign tenant: read", "GET", foreign.path(""), own, nil, 404, "not_found", ""},
			{"a foreign tenant: change", "PATCH", foreign.path(""), own, input{"name": "mine"}, 404, "not_found", ""},
			{"a foreign tenant: delete", "DELETE", foreign.path(""), own, nil, 404, "not_found", ""},
			{"a foreign tenant: start", "POST", foreign.path("/worker/start"), own, nil, 404, "not_found", ""},
			{"a foreign tenant: stop", "POST", foreign.path("/worker/stop"), own, nil, 404, "not_found", ""},
			{"a foreign tenant: session", "GET", foreign.path("/session"), own, nil, 404, "not_found", ""},
			{"a foreign tenant: reset", "POST", foreign.path("/session/reset"), own, nil, 404, "not_found", ""},
			{"a foreign tenant: pairing code", "POST", foreign.path("/session/pairing-code"), own, input{"phone": "+255754000001"}, 404, "not_found", ""},
			{"a foreign tenant: messages", "GET", foreign.path("/messages"), own, nil, 404, "not_found", ""},
			{"a foreign tenant: send", "POST", foreign.path("/messages"), own, input{"to": "+255754000001", "text": "x"}, 404, "not_found", ""},
			{"an unknown tenant: send", "POST", "/api/v1/tenants/" + nobody + "/messages", w.key, input{"to": "+255754000001", "text": "x"}, 404, "not_found", ""},
			{"an unknown tenant: start", "POST", "/api/v1/tenants/" + nobody + "/worker/start", w.key, nil, 404, "not_found", ""},
			{"an unknown tenant: delete", "DELETE", "/api/v1/tenants/" + nobody, w.key, nil, 404, "not_found", ""},
			{"no JSON", "POST", tenants, w.key, "{", 400, "invalid", ""},
			{"an empty body", "POST", tenants, w.key, "", 400, "invalid", ""},
			{"two objects", "POST", messages, w.key, `{"to":"+255754000001","text":"x"}{}`, 400, "invalid", ""},
			{"a list", "POST", tenants, w.key, "[]", 400, "invalid", ""},
			{"bytes that are no UTF-8", "POST", tenants, w.key, "\xff\xfe\x00", 400, "invalid", ""},
			{"an unknown field", "POST", tenants, w.key, input{"colour": "red"}, 422, "invalid", "colour"},
			{"a wrong type", "POST", tenants, w.key, input{"name": 1}, 422, "invalid", "name"},
			{"nothing required is there", "POST", tenants, w.key, input{}, 422, "invalid", "phone_number"},
			{"a bad phone number", "POST", tenants, w.key, input{"name": "x", "phone_number": "12"}, 422, "invalid", "phone_number"},
			{"a number in use", "POST", tenants, w.key, input{"name": "x", "phone_number": shop.owner.Number()}, 409, "conflict", ""},
			{"an unknown template", "PATCH", shop.path(""), w.key, input{"template_type": "CASINO"}, 422, "invalid", "template_type"},
			{"an unknown language", "PATCH", shop.path(""), w.key, input{"language": "FR"}, 422, "invalid", "language"},
			{"an unknown time zone", "PATCH", shop.path(""), w.key, input{"timezone": "Mars/Olympus"}, 422, "invalid", "timezone"},
			{"a time zone that is a path", "PATCH", shop.path(""), w.key, input{"timezone": "../../etc/passwd"}, 422, "invalid", "timezone"},
			{"a name of NUL bytes", "PATCH", shop.path(""), w.key, input{"name": "\x00\x00"}, 422, "invalid", "name"},
			{"a very long name", "PATCH", shop.path(""), w.key, input{"name": strings.Repeat("é", 201)}, 422, "invalid", "name"},
			{"a negative price", "PATCH", shop.path(""), w.key, input{"services": []input{{"name": "x", "price_tzs": -1}}}, 422, "invalid", "services"},
			{"a recipient that is no number", "POST", messages, w.key, input{"to": "asha", "text": "x"}, 422, "invalid", "to"},
			{"an empty text", "POST", messages, w.key, input{"to": "+255754000001", "text": " \x00 "}, 422, "invalid", "text"},
			{"a text over 64 KB", "POST", messages, w.key, input{"to": "+255754000001", "text": strings.Repeat("x", 65537)}, 422, "invalid", "text"},
			{"a body over 1 MiB", "POST", messages, w.key, huge, 413, "too_large", ""},
			{"a limit that is no number", "GET", messages + "?limit=all", w.key, nil, 422, "invalid", "limit"},
			{"a limit of nothing", "GET", messages + "?limit=0", w.key, nil, 422, "invalid", "limit"},
			{"a cursor that is none", "GET", messages + "?cursor=%00%ff", w.key, nil, 422, "invalid", "cursor"},
			{"a cursor of tenants that is none", "GET", tenants + "?cursor=zzz", w.key, nil, 422, "invalid", "cursor"},
			{"a pairing code for a linked tenant", "POST", shop.path("/session/pairing-code"), w.key, input{"phone": "+255754000001"}, 409, "conflict", ""},
			{"a pairing code for a stopped tenant", "POST", foreign.path("/session/pairing-code"), w.key, input{"phone": "+255754000001"}, 409, "conflict", ""},
			{"a pairing code for a bad number", "POST", foreign.path("/session/pairing-code"), w.key, input{"phone": "1"}, 422, "invalid", "phone"},
		} {
			t.Run(tt.name, func(t *testing.T) {
				f := w.refused(t, tt.method, tt.path, tt.key, tt.body, tt.status, tt.kind)
				if tt.field != "" && f.Error.Fields[tt.field] == "" {
					t.Errorf("the answer names the fields %v, want %s", f.Error.Fields, tt.field)
				}
				for _, leak := range []string{"goroutine ", ".go:", "panic", "SELECT ", "INSERT ", "sql:", "SQLSTATE", "pq:", "constraint"} {
					if strings.Contains(f.Error.Message, leak) {
						t.Errorf("the message %q shows the inside of the program", f.Error.Message)
					}
				}
			})
		}
		if v := foreign.tenant(t); v.Status != "NEW" || v.Name != "Shop "+foreign.owner.Number() {
			t.Errorf("the foreign tenant was changed: %+v", v)
		}
	})
}

func TestAPI_ATenantKeySeesItsOwnTenantOnly(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		shop, other := w.created(t, salon), w.created(t, salon)
		own := w.tenantKey(t, shop.id)
		r, err := w.try(http.MethodGet, "/api/v1/tenants", own, nil)
		if err != nil || r.status != http.StatusOK {
			t.Fatalf("the list answers %d %s (%v)", r.status, r.body, err)
		}
		if list := string(r.body); !strings.Contains(list, shop.id) || strings.Contains(list, other.id) {
			t.Errorf("the list is %s, want tenant %s alone", list, shop.id)
		}
		if r, err := w.try(http.MethodGet, shop.path(""), own, nil); err != nil || r.status != http.StatusOK {
			t.Errorf("its own tenant answers %d %s (%v)", r.status, r.body, err)
		}
	})
}

func TestAPI_ARevokedKeyIsRefused(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		shop := w.created(t, salon)
		own := w.tenantKey(t, shop.id)
		if r, err := w.try(http.MethodGet, shop.path(""), own, nil); err != nil || r.status != http.StatusOK {
			t.Fatalf("the new key is answered by %d %s (%v)", r.status, r.body, err)
		}
		w.change(t, "UPDATE api_keys SET revoked_at = created_at WHERE tenant_id = $1", shop.id)
		w.refused(t, http.MethodGet, shop.path(""), own, nil, http.StatusUnauthorized, "unauthorized")
	})
}

func TestAPI_PagesThroughAListWithoutGapsOrRepeats(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		made := map[string]bool{}
		for range 7 {
			made[w.created(t, salon).id] = true
		}
		for cursor, pages := "", 0; ; pages++ {
			var page struct {
				Items      []tenantView `json:"items"`
				NextCursor string       `json:"next_cursor"`
			}
			w.must(t, http.MethodGet, "/api/v1/tenants?limit=3&cursor="+cursor, nil, &page)
			for _, v := range page.Items {
				if !made[v.ID] {
					t.Errorf("tenant %s is listed twice or was never made", v.ID)
				}
				delete(made, v.ID)
			}
			if cursor = page.NextCursor; cursor == "" || pages > 7 {
				break
			}
		}
		if len(made) != 0 {
			t.Errorf("tenants %v are not listed", made)
		}
	})
}
