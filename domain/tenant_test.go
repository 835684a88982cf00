package domain

import (
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"
)

func ptr[T any](v T) *T { return &v }

func TestNewTenant_FillsDefaults(t *testing.T) {
	v, err := NewTenant(TenantInput{Name: ptr(" Saluni "), Phone: ptr("0754 000 001")}, Now())
	if err != nil {
		t.Fatal(err)
	}
	got := []string{v.Name, string(v.Phone), v.Config.BusinessName, string(v.Config.Template), string(v.Config.Language), v.Config.Timezone, string(v.Status)}
	want := []string{"Saluni", "+255754000001", "Saluni", "BOOKING", "SW", "Africa/Dar_es_Salaam", "NEW"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestNewTenant_NamesEveryWrongFieldAtOnce(t *testing.T) {
	_, err := NewTenant(TenantInput{Name: ptr(" "), Phone: ptr("abc"), Template: ptr("PIZZA"), Language: ptr("FR"), Timezone: ptr("Mars/Base"),
		Services: &[]Service{{Name: ""}}}, Now())
	var e *Error
	if !errors.As(err, &e) || e.Kind != KindInvalid {
		t.Fatalf("got %v", err)
	}
	for _, field := range []string{"name", "phone_number", "template_type", "language", "timezone", "services"} {
		if e.Fields[field] == "" {
			t.Errorf("field %s is not named in %v", field, e.Fields)
		}
	}
}

func TestPatch_ChangesNothingOnError(t *testing.T) {
	v, _ := NewTenant(TenantInput{Name: ptr("A"), Phone: ptr("+255754000001")}, Now())
	before := v
	if err := v.Patch(TenantInput{Name: ptr("B"), Language: ptr("XX")}, Now()); err == nil {
		t.Fatal("an unknown language was accepted")
	}
	if v.Name != before.Name || v.Config.Language != before.Config.Language {
		t.Fatalf("changed to %q, %q", v.Name, v.Config.Language)
	}
}

func TestParsePhone(t *testing.T) {
	for in, want := range map[string]string{
		"+255754000001": "+255754000001", "0754 000 001": "+255754000001", "00255-754-000-001": "+255754000001",
		"+254 712 000001": "+254712000001", "": "", "hello": "", "+1": "",
		strings.Repeat("9", 60): "", "\x00+255754000001": "+255754000001",
	} {
		got, err := ParsePhone(in, "TZ")
		if want == "" && err == nil {
			t.Errorf("%q was accepted as %q", in, got)
		}
		if want != "" && string(got) != want {
			t.Errorf("%q: got %q, %v, want %q", in, got, err, want)
		}
	}
}

func TestPhone_MaskHidesTheMiddle(t *testing.T) {
	if got := Phone("+255754000001").Masked(); got != "+255 754 *** 001" {
		t.Errorf("got %q", got)
	}
	if got := Phone("+2557").Masked(); got != "***" {
		t.Errorf("got %q", got)
	}
}

func TestCleanText_FitsEveryDatabase(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		out := CleanText(string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")))
		if strings.ContainsRune(out, 0) || !utf8.ValidString(out) {
			t.Fatalf("%q", out)
		}
	})
}

func TestDeriveWAID_IsFixedByRowAndKeyAndShapedLikeWhatsApps(t *testing.T) {
	id, other := uuid.MustParse("0190a000-0000-7000-8000-000000000001"), uuid.MustParse("0190a000-0000-7000-8000-000000000002")
	a := DeriveWAID([]byte("key"), id)
	if a != DeriveWAID([]byte("key"), id) || a == DeriveWAID([]byte("key"), other) || a == DeriveWAID([]byte("another"), id) {
		t.Error("the id must depend on the row and on the key, and on nothing else")
	}
	if len(a) != 22 || !strings.HasPrefix(a, "3EB0") || strings.ToUpper(a) != a {
		t.Errorf("%q is not shaped like an id of WhatsApp", a)
	}
}

func TestRetryDelay_GrowsAndEnds(t *testing.T) {
	var last time.Duration
	for attempt := 1; attempt < MaxSendAttempts; attempt++ {
		d, ok := RetryDelay(attempt)
		if !ok || d < last || d > time.Hour {
			t.Fatalf("attempt %d: %v, %v", attempt, d, ok)
		}
		last = d
	}
	if _, ok := RetryDelay(MaxSendAttempts); ok {
		t.Error("a row must die after the last attempt")
	}
}

func TestNewID_SortsByTimeOfMaking(t *testing.T) {
	last := NewID()
	for range 1000 {
		next := NewID()
		if next.String() <= last.String() {
			t.Fatalf("%s came after %s", next, last)
		}
		last = next
	}
}

func TestNewIDAfter_SortsAfterAnIDOfAClockThatIsAhead(t *testing.T) {
	ahead := NewID()
	ahead[0]++
	ahead[15] = 0xff
	for range 3 {
		next := NewIDAfter(ahead)
		if next.String() <= ahead.String() {
			t.Fatalf("%s came after %s", next, ahead)
		}
		ahead = next
	}
	if before := NewIDAfter(NewID()); before.String() >= NewID().String() {
		t.Errorf("%s is ahead of the clock", before)
	}
}

func TestKindOf_AnythingUnknownIsInternal(t *testing.T) {
	if k := KindOf(errors.New("x")); k != KindInternal {
		t.Errorf("got %s", k)
	}
	if k := KindOf(Errorf(KindBusy, "full")); k != KindBusy {
		t.Errorf("got %s", k)
	}
}
