package domain

import (
	"strings"
	"testing"
)

func TestSignIn_WeakPasswordsAreRefused(t *testing.T) {
	for _, weak := range []string{"", "short", "elevenchars", "passwordpassword", "Password12345!", "hakunamatata2024", "karibusana!!!!!!", "aaaaaaaaaaaaaaaaaa",
		"123456789012", "45678901234567", "abababababab", "flowhq123flowhq", "asha@example.com", "Mushi1234567", "FlowHQ-2024-2025", "Asha.Mushi2024", "ASHA@EXAMPLE.COM!", "whatsappbusiness1", strings.Repeat("kiboko ", 19)} {
		if CheckPassword(weak, "Asha.Mushi", "Mushi", "asha@example.com") == "" {
			t.Errorf("%q is accepted", weak)
		}
	}
}

func TestSignIn_StrongPasswordsNeedNoRulesOfComposition(t *testing.T) {
	for _, strong := range []string{"korosho tatu na chai ya rangi", "boga nazi pilipili mlima", "zmq8 vTr1 pLk0", "ndizi-embe-asali", "пароль из слов", "asha anapenda mlima mrefu",
		strings.Repeat("kiboko na", 14)} {
		if problem := CheckPassword(strong, "Asha", "Mushi", "asha@example.com"); problem != "" {
			t.Errorf("%q is refused: %s", strong, problem)
		}
	}
}
