package handlers

import (
	"encoding/base32"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/hotp"

	"flowhq/domain"
)

func TestCodes_AreTakenHoweverTheyAreTyped(t *testing.T) {
	for typed, want := range map[string]string{"123 456": "123456", " 123\u00a0456 ": "123456", "abcd-efgh-ijkl-mnop": "ABCDEFGHIJKLMNOP", "ABCD – EFGH": "ABCDEFGH"} {
		if got := plainCode(typed); got != want {
			t.Errorf("%q is taken for %q, want %q", typed, got, want)
		}
	}
	_, _, address := newOffice(t)
	asha := newGuest(t, address)
	asha.signsIn(ashasPassword)
	page := asha.does(http.MethodGet, "/account/second-factor")
	secret := regexp.MustCompile(`<code>([A-Z2-7]{32})</code>`).FindStringSubmatch(page.body)
	if secret == nil {
		t.Fatalf("no secret is shown: %d %s", page.status, page.body)
	}
	if _, err := base32.StdEncoding.DecodeString(secret[1]); err != nil {
		t.Fatal(err)
	}
	code, err := hotp.GenerateCode(secret[1], uint64(time.Now().Unix()/30))
	if err != nil {
		t.Fatal(err)
	}
	asha.want("a code in two groups at set-up", asha.does(http.MethodPost, "/account/second-factor", "code", code[:3]+" "+code[3:]).status, http.StatusOK)
}

// A keyboard of digits cannot write a recovery code.
func TestCodes_FieldsThatTakeRecoveryCodesHaveAKeyboardWithLetters(t *testing.T) {
	user := frame{User: &domain.User{Email: ashasAddress}}
	_, s, _ := newOffice(t)
	for page, data := range map[string]any{"auth/code": codePage{emptyForm()}, "auth/confirm": confirmPage{emptyForm(), true}} {
		body, err := s.web.screens.execute(english, page, "content", view{Frame: user, Page: data})
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(body), "recovery codes") || strings.Contains(string(body), "inputmode") {
			t.Errorf("%s: %s", page, body)
		}
	}
}
