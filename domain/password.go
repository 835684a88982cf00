package domain

import (
	"strings"
	"unicode/utf8"
)

// Lengths of passwords, in characters. There are no rules of composition.
const (
	MinPassword = 12
	MaxPassword = 128
)

// commonPasswords are what people choose when twelve characters are asked for,
// without digits at their end.
var commonPasswords = map[string]bool{
	"password": true, "passwordpassword": true, "qwertyuiop": true, "qwertyuiopasdf": true, "administrator": true, "letmein": true, "letmeinplease": true,
	"iloveyou": true, "iloveyouforever": true, "welcome": true, "welcometo": true, "changeme": true, "changemeplease": true, "abcdefghijkl": true, "abcdefghijklm": true,
	"abcdefghijklmnop": true, "mypassword": true, "thepassword": true, "neno": true, "nenolasiri": true, "nywila": true, "karibu": true, "karibusana": true,
	"habariyako": true, "hakunamatata": true, "nakupenda": true, "nakupendasana": true, "tanzania": true, "kenya": true, "daressalaam": true, "nairobi": true, "whatsapp": true,
	"whatsappbusiness": true, "facebook": true, "asdfghjkl": true, "zxcvbnm": true, "qazwsxedc": true, "qazwsxedcrfv": true, "superman": true, "football": true, "princess": true, "sunshine": true, "secret": true, "supersecret": true, "default": true, "master": true, "monkey": true, "dragon": true,
}

// productWords make a password easy to guess when little else is in it.
var productWords = []string{"flowhq", "flow hq"}

// CheckPassword returns what is wrong with a new password as a sentence for
// people, "" when it is fine. known are words that an attacker would try: the
// address and the name of its owner.
func CheckPassword(password string, known ...string) string {
	n := utf8.RuneCountInString(password)
	switch {
	case n < MinPassword:
		return "The password needs at least 12 characters. Three or four words in a row are easy to remember."
	case n > MaxPassword:
		return "The password can have at most 128 characters."
	case weak(strings.ToLower(password), known):
		return "This password is too easy to guess. Three or four words that do not belong together are better."
	}
	return ""
}

func weak(password string, known []string) bool {
	stem := strings.TrimRight(password, "0123456789!.?*#@$ ")
	if commonPasswords[stem] || distinctRunes(password) < 5 || strings.Contains("01234567890123456789", password) {
		return true
	}
	for _, word := range append(known, productWords...) {
		word = strings.ToLower(strings.TrimSpace(word))
		name, _, _ := strings.Cut(word, "@")
		if mostly(password, word) || mostly(password, name) {
			return true
		}
	}
	return false
}

// mostly reports whether little is left of a password without a word and
// without the digits and signs that people add to one.
func mostly(password, word string) bool {
	if len(word) < 4 || !strings.Contains(password, word) {
		return false
	}
	added := func(r rune) rune {
		if strings.ContainsRune("0123456789!.?*#@$-_ ", r) {
			return -1
		}
		return r
	}
	return len(strings.Map(added, strings.ReplaceAll(password, word, ""))) < 6
}

func distinctRunes(s string) int {
	seen := map[rune]bool{}
	for _, r := range s {
		seen[r] = true
	}
	return len(seen)
}
