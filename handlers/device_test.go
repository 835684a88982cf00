package handlers

import (
	"net/http"
	"testing"
)

func TestSignIn_WhoGuessesKeepsNobodyFromTheirOwnDevice(t *testing.T) {
	db, s, address := newOffice(t)
	asha, stranger := newGuest(t, address), newGuest(t, address)
	asha.want("the first sign-in", asha.signsIn(ashasPassword), http.StatusSeeOther)
	asha.does(http.MethodPost, "/logout")
	db.guessed(s, ashasAddress)
	stranger.want("the right password on a device that nobody knows", stranger.signsIn(ashasPassword), http.StatusTooManyRequests)
	asha.want("the right password on the owner's device", asha.signsIn(ashasPassword), http.StatusSeeOther)
	stranger.want("a stranger after that", stranger.signsIn(ashasPassword), http.StatusTooManyRequests)
	if n := len(db.throttle); n != 2 { // of the account, and of the network, which is forgiven
		t.Errorf("failures are counted under %d keys, want 2", n)
	}
}

func TestSignIn_AKnownDeviceCountsItsOwnGuesses(t *testing.T) {
	_, _, address := newOffice(t)
	asha, other := newGuest(t, address), newGuest(t, address)
	asha.want("the first sign-in", asha.signsIn(ashasPassword), http.StatusSeeOther)
	other.want("the first sign-in on another device", other.signsIn(ashasPassword), http.StatusSeeOther)
	for _, g := range []*guest{asha, other} {
		g.does(http.MethodPost, "/logout")
	}
	for range 6 { // five are free, the sixth begins the delays
		asha.want("a wrong password", asha.signsIn("wrong"), http.StatusUnprocessableEntity)
	}
	asha.want("the right password on the device that guessed", asha.signsIn(ashasPassword), http.StatusTooManyRequests)
	other.want("the right password on the other one", other.signsIn(ashasPassword), http.StatusSeeOther)
}

func TestSignIn_WhoGuessesKeepsNobodyFromConfirmingOrChangingAPassword(t *testing.T) {
	db, s, address := newOffice(t)
	asha := newGuest(t, address)
	asha.want("the sign-in", asha.signsIn(ashasPassword), http.StatusSeeOther)
	db.guessed(s, ashasAddress)
	asha.want("the confirmation", asha.does(http.MethodPost, "/confirm", "password", ashasPassword).status, http.StatusSeeOther)
	asha.want("the new password", asha.does(http.MethodPost, "/account/password", "current", ashasPassword, "password", "simba watatu mlimani", "again", "simba watatu mlimani").status, http.StatusSeeOther)
}

func TestDevice_IsTheSameForEverySignInAndForgetsTheOldestAccount(t *testing.T) {
	u := new(ui)
	for _, account := range []string{"a", "b", "a", "c", "d"} {
		u.know([]byte(account))
	}
	first := u.device([]byte("b"))
	u.know([]byte("b"))
	if u.device([]byte("b")) != first || len(u.Known) != maxKnown {
		t.Errorf("the device is known as %+v", u.Known)
	}
	if u.know([]byte("e")); u.device([]byte("a")) != "" || u.device([]byte("e")) == "" || len(u.Known) != maxKnown {
		t.Errorf("after one more account the device is known as %+v", u.Known)
	}
}
