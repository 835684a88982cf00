package whatsapp

import (
	"crypto/rand"

	"filippo.io/edwards25519"
	"filippo.io/edwards25519/field"
	"go.mau.fi/whatsmeow/util/keys"
)

// newPreKeys makes Curve25519 key pairs like keys.NewPreKey, several times as
// fast; a first link needs 812 of them. The base point is multiplied on the
// Edwards form of the curve, where it has precomputed tables; the same point on
// the Montgomery form is u = (Z+Y)/(Z-Y) (RFC 7748, section 4.1), and all the
// divisions share one inversion. Ids are not set.
func newPreKeys(count int) []*keys.PreKey {
	fresh := make([]*keys.PreKey, count)
	numerators, denominators := make([]field.Element, count), make([]field.Element, count)
	scalar, point := edwards25519.NewScalar(), new(edwards25519.Point)
	for i := range fresh {
		private := newPrivateKey()
		if _, err := scalar.SetBytesWithClamping(private[:]); err != nil {
			panic(err) // only for a wrong length
		}
		_, y, z, _ := point.ScalarBaseMult(scalar).ExtendedCoordinates()
		numerators[i].Add(z, y)
		denominators[i].Subtract(z, y)
		fresh[i] = &keys.PreKey{KeyPair: keys.KeyPair{Priv: &private}}
	}
	for i, inverse := range inverted(denominators) {
		public := [32]byte(inverse.Multiply(inverse, &numerators[i]).Bytes())
		fresh[i].Pub = &public
	}
	return fresh
}

// newPrivateKey returns random bytes, clamped as RFC 7748 asks.
func newPrivateKey() (private [32]byte) {
	_, _ = rand.Read(private[:]) // never fails
	private[0] &= 248
	private[31] = private[31]&127 | 64
	return private
}

// inverted inverts every element with one inversion and three multiplications
// each (Montgomery's trick). No element is zero: that would be the neutral
// point, which no clamped scalar yields.
func inverted(all []field.Element) []*field.Element {
	out := make([]*field.Element, len(all))
	product := new(field.Element).One()
	for i := range all {
		out[i] = new(field.Element).Set(product) // of all before i
		product.Multiply(product, &all[i])
	}
	product.Invert(product)
	for i := len(all) - 1; i >= 0; i-- {
		out[i].Multiply(out[i], product)
		product.Multiply(product, &all[i])
	}
	return out
}
