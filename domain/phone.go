package domain

import (
	"errors"
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// Phone is a telephone number in E.164 form, "+255754000001".
type Phone string

// DefaultRegion is assumed for numbers written without a country code.
const DefaultRegion = "TZ"

//lint:ignore ST1005 it is a sentence for people
var errPhone = errors.New("Write the number with its country code, for example +255 754 000 001.")

// ParsePhone normalises a number as people write it ("0754 000 001",
// "+255-754…", "00255…") to E.164. A number without a country code is taken
// as one of region (ISO 3166 alpha-2). The error is a sentence for people.
func ParsePhone(s, region string) (Phone, error) {
	s = strings.TrimSpace(s)
	if len(s) > 40 {
		return "", errPhone
	}
	if rest, ok := strings.CutPrefix(s, "00"); ok {
		s = "+" + rest
	}
	n, err := phonenumbers.Parse(s, region)
	if err != nil || !phonenumbers.IsPossibleNumber(n) {
		return "", errPhone
	}
	return Phone(phonenumbers.Format(n, phonenumbers.E164)), nil
}

// Digits returns the number without the plus: the user part of a WhatsApp id.
func (p Phone) Digits() string { return strings.TrimPrefix(string(p), "+") }

// Masked hides the middle of a number for lists and logs: "+255 754 *** 001".
func (p Phone) Masked() string {
	s := string(p)
	if len(s) < 9 {
		return "***"
	}
	return s[:4] + " " + s[4:7] + " *** " + s[len(s)-3:]
}
