package whatsapp

import (
	"testing"

	"go.mau.fi/whatsmeow/util/keys"
)

func TestNewPreKeys_AreTheKeyPairsThatWhatsmeowWouldDerive(t *testing.T) {
	seen := map[[32]byte]bool{}
	for i, k := range newPreKeys(500) {
		if want := keys.NewKeyPairFromPrivateKey(*k.Priv); *want.Pub != *k.Pub {
			t.Fatalf("key %d: public %x, want %x", i, *k.Pub, *want.Pub)
		}
		if seen[*k.Priv] {
			t.Fatalf("key %d came twice", i)
		}
		seen[*k.Priv] = true
	}
}

func BenchmarkNewPreKeys812(b *testing.B) {
	for b.Loop() {
		newPreKeys(812)
	}
}

func BenchmarkNewPreKeys812_Whatsmeow(b *testing.B) {
	for b.Loop() {
		for range 812 {
			keys.NewPreKey(1)
		}
	}
}
