package handlers

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"flowhq/domain"
)

// NewAPIKey makes a bearer key and the hash under which it is stored.
func NewAPIKey() (raw string, hash []byte) {
	raw = "fhq_" + hex.EncodeToString(randomBytes(24))
	sum := sha256.Sum256([]byte(raw))
	return raw, sum[:]
}

// keysPage lists API keys; Fresh is a key that was just made and is shown once.
type keysPage struct {
	Rows  []keyRow
	Next  string
	Fresh string
	Label string
}

func (p keysPage) once() bool { return p.Fresh != "" }

type keyRow struct {
	domain.APIKey
	Tenant string // its name, "" for a key that sees all
}

func (s *Server) showKeys(c *gin.Context) error {
	page, err := s.keysPage(c)
	if err != nil {
		return err
	}
	return s.page(c, http.StatusOK, "admin/keys", page)
}

func (s *Server) keysPage(c *gin.Context) (page keysPage, err error) {
	ctx := c.Request.Context()
	keys, err := s.Keys.ListKeys(ctx, domain.Scope{Admin: true}, domain.PageQuery{Cursor: c.Query("cursor")})
	if err != nil {
		return page, err
	}
	page.Next = keys.NextCursor
	names := map[uuid.UUID]string{}
	for _, k := range keys.Items {
		row := keyRow{APIKey: k}
		if k.TenantID != nil {
			if _, known := names[*k.TenantID]; !known {
				v, err := s.Tenants.Get(ctx, *k.TenantID)
				if err != nil && domain.KindOf(err) != domain.KindNotFound {
					return page, err
				}
				names[*k.TenantID] = v.Name
			}
			row.Tenant = names[*k.TenantID]
		}
		page.Rows = append(page.Rows, row)
	}
	return page, nil
}

// keyForm is the form of a new key.
type keyForm struct{ Form form }

func (s *Server) newAPIKey(c *gin.Context) error {
	return s.page(c, http.StatusOK, "admin/key_new", keyForm{emptyForm()})
}

func (s *Server) addAPIKey(c *gin.Context) error {
	f := readForm(c, "label", "phone")
	raw, hash := NewAPIKey()
	key := domain.APIKey{ID: domain.NewID(), Label: f.Values["label"], Hash: hash, CreatedAt: domain.Now()}
	err := s.scopeKey(c, f, &key)
	if err == nil {
		err = s.Keys.AddKey(c.Request.Context(), key)
	}
	if err != nil {
		if !f.refuse(err, s.speak(c)) {
			return err
		}
		return s.page(c, http.StatusUnprocessableEntity, "admin/key_new", keyForm{f})
	}
	s.audit(c, domain.AuditEntry{Action: domain.AuditKeyCreated, TenantID: key.TenantID, After: asJSON(map[string]string{"label": key.Label})})
	page, err := s.keysPage(c)
	if err != nil {
		return err
	}
	page.Fresh, page.Label = raw, key.Label
	return s.page(c, http.StatusOK, "admin/keys", page)
}

// scopeKey checks the form; a number narrows the key to that tenant.
func (s *Server) scopeKey(c *gin.Context, f form, key *domain.APIKey) error {
	bad := domain.Invalid{}
	if key.Label == "" || len(key.Label) > domain.MaxNameLength {
		bad.Add("label", "The label must have 1 to 200 characters.")
	}
	if f.Values["phone"] != "" {
		phone, err := domain.ParsePhone(f.Values["phone"], domain.DefaultRegion)
		if err != nil {
			bad.Add("phone", err.Error())
			return bad.Err()
		}
		found, err := s.Tenants.List(c.Request.Context(), domain.TenantFilter{Scope: domain.Scope{Admin: true}, Search: string(phone)}, domain.PageQuery{Limit: 1})
		if err != nil {
			return err
		}
		if len(found.Items) == 0 || found.Items[0].Phone != phone {
			bad.Add("phone", "No tenant has this number.")
			return bad.Err()
		}
		key.TenantID = &found.Items[0].ID
	}
	return bad.Err()
}

func (s *Server) revokeAPIKey(c *gin.Context) error {
	id, err := uuid.Parse(c.Param("key"))
	if err != nil {
		return domain.NotFound("API key")
	}
	if err := s.Keys.RevokeKey(c.Request.Context(), domain.Scope{Admin: true}, id, domain.Now()); err != nil {
		return err
	}
	s.audit(c, domain.AuditEntry{Action: domain.AuditKeyRevoked, After: asJSON(map[string]string{"key": id.String()})})
	s.say(c, "good", s.speak(c).must("key.revoked"))
	return s.seeOther(c, "/admin/keys")
}
