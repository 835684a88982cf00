package handlers

import "testing"

func TestMarkup_ShowsWhatWhatsAppShowsAndNothingElse(t *testing.T) {
	for text, want := range map[string]string{
		"Karibu *Saluni ya Amina*! 👋":    "Karibu <strong>Saluni ya Amina</strong>! 👋",
		"*a* and *b*":                    "<strong>a</strong> and <strong>b</strong>",
		"_slowly_ ~never~":               "<em>slowly</em> <s>never</s>",
		"2 * 3 * 4, snake_case_name":     "2 * 3 * 4, snake_case_name",
		"*not\nclosed*":                  "*not\nclosed*",
		"*<script>alert(1)</script>*":    "<strong>&lt;script&gt;alert(1)&lt;/script&gt;</strong>",
		`<img src=x onerror="alert(1)">`: "&lt;img src=x onerror=&#34;alert(1)&#34;&gt;",
		"*_both_*":                       "<strong><em>both</em></strong>",
		"":                               "",
	} {
		if got := string(whatsAppMarkup(text)); got != want {
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
	}
}
