package domain

import (
	"errors"
	"strings"
)

//lint:ignore ST1005 it is a sentence for people
var errEmail = errors.New("Write an e-mail address such as asha@example.com.")

// ParseEmail returns an address in the form in which it is stored: lower case,
// without spaces around it. The error is a sentence for people.
func ParseEmail(s string) (string, error) {
	email := strings.ToLower(strings.TrimSpace(CleanText(s)))
	at := strings.LastIndexByte(email, '@')
	if at < 1 || at == len(email)-1 || len(email) > 254 || strings.ContainsAny(email, " \t\r\n<>\"") {
		return "", errEmail
	}
	return email, nil
}
