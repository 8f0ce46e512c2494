package account

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// tried reports how an attempt ended that may have waited.
func tried(t *testing.T, a *attempts, key string, addr netip.Addr, own *[32]byte) string {
	t.Helper()
	began := time.Now()
	err := a.logIn(t.Context(), pair{key, addr}, own, began)
	var many *TooManyError
	switch {
	case errors.As(err, &many):
		return fmt.Sprintf("refused for %d s", many.Seconds())
	case err != nil:
		return err.Error()
	}
	return "after " + time.Since(began).String()
}

// Who types a wrong password often is slowed down, and only then refused; others are not.
func TestAttemptsSlowDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAttempts()
		for range pairBurst {
			if got := tried(t, &a, "ada", from, nil); got != "after 0s" {
				t.Fatal(got)
			}
		}
		if got := tried(t, &a, "ada", from, nil); got != "after 5s" {
			t.Error(got)
		}
		for range 2 { // at once
			go func() { _ = a.logIn(t.Context(), pair{"ada", from}, nil, time.Now()) }()
			synctest.Wait()
		}
		if got := tried(t, &a, "ada", from, nil); got != "refused for 5 s" {
			t.Error(got)
		}
		if got := tried(t, &a, "ada", other, nil); got != "after 0s" {
			t.Errorf("from another address: %s", got)
		}
		if got := tried(t, &a, "bob", from, nil); got != "after 0s" {
			t.Errorf("with another name: %s", got)
		}
	})
}

// An address from which all names are tried is slowed down, but not for who logs in there.
func TestAttemptsOfAnAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAttempts()
		a.succeeded(pair{"ada", from}, time.Now())
		for i := range addressBurst {
			if got := tried(t, &a, fmt.Sprint("name", i), from, nil); got != "after 0s" {
				t.Fatal(got)
			}
		}
		if got := tried(t, &a, "another", from, nil); got != "after 2s" {
			t.Error(got)
		}
		if got := tried(t, &a, "ada", from, nil); got != "after 0s" {
			t.Errorf("who is known there: %s", got)
		}
		if got := tried(t, &a, "another", other, nil); got != "after 0s" {
			t.Errorf("from elsewhere: %s", got)
		}
		for i := range 10 {
			go func() { _ = a.logIn(t.Context(), pair{fmt.Sprint("more", i), from}, nil, time.Now()) }()
			synctest.Wait()
		}
		if got := tried(t, &a, "ada", from, nil); got != "after 0s" {
			t.Errorf("who is known there, while others wait: %s", got)
		}
	})
}

// Whatever is tried with a name from everywhere, its owner logs in where they always do, or
// with the login that they have.
func TestAttemptsOfAName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAttempts()
		a.succeeded(pair{"ada", from}, time.Now())
		addr := netip.MustParseAddr("198.51.100.0")
		for range nameBurst / pairBurst {
			addr = addr.Next()
			for range pairBurst {
				if got := tried(t, &a, "ada", addr, nil); got != "after 0s" {
					t.Fatal(got)
				}
			}
		}
		if got := tried(t, &a, "ada", other, nil); got != "after 1s" {
			t.Errorf("from one more address: %s", got)
		}
		if got := tried(t, &a, "ada", from, nil); got != "after 0s" {
			t.Errorf("from where they log in: %s", got)
		}
		if got := tried(t, &a, "ada", addr, &[32]byte{1}); got != "after 0s" {
			t.Errorf("with a login, even from where others try: %s", got)
		}
		for range pairBurst - 1 {
			tried(t, &a, "ada", addr, &[32]byte{1})
		}
		if got := tried(t, &a, "ada", addr, &[32]byte{1}); got != "after 5s" {
			t.Errorf("with a login that is not the owner's to guess with: %s", got)
		}
	})
}

// However long one address tries a name, or many, the name's owner logs in from a new address
// without waiting, and nothing but the address's own is spent.
func TestOneAddressShutsNobodyOut(t *testing.T) {
	a := newAttempts()
	began := time.UnixMilli(0)
	addr, tries := netip.MustParseAddr("198.51.100.0"), 0
	for now := began; now.Sub(began) < 2*time.Hour; now = now.Add(100 * time.Millisecond) {
		if _, ok := a.takeUnknown(pair{"ada", from}, now, maxAttemptWait); ok {
			tries++
		}
		if now.Sub(began)%time.Minute == 0 {
			addr = addr.Next()
			if wait, ok := a.takeUnknown(pair{"ada", addr}, now, maxAttemptWait); wait != 0 || !ok {
				t.Fatalf("after %v the owner waits %v, and may: %v", now.Sub(began), wait, ok)
			}
		}
	}
	if tries < 1000 {
		t.Errorf("the address made %d tries", tries)
	}
	names, pairs := a.names.Owners(), a.pairs.Owners()
	for i := range 10 * addressBurst {
		a.takeUnknown(pair{fmt.Sprint("name", i), from}, began.Add(2*time.Hour), maxAttemptWait)
	}
	if n, p := a.names.Owners()-names, a.pairs.Owners()-pairs; n > addressBurst+5 || p > addressBurst+5 {
		t.Errorf("beyond its own rate an address has spent of %d names and %d pairs", n, p)
	}
}

// An attempt that several count waits as long as the longest of them, not for one after the
// other.
func TestAttemptsWaitOnce(t *testing.T) {
	a := newAttempts()
	now := time.UnixMilli(0)
	for i := range addressBurst {
		a.takeUnknown(pair{"ada", netip.AddrFrom4([4]byte{198, 51, 100, byte(i)})}, now, maxAttemptWait)
		a.takeUnknown(pair{fmt.Sprint("name", i), from}, now, maxAttemptWait)
	}
	if wait, ok := a.takeUnknown(pair{"ada", from}, now, maxAttemptWait); wait != addressEvery || !ok {
		t.Errorf("%v %v", wait, ok)
	}
}

func TestAttemptsToSignUp(t *testing.T) {
	a := newAttempts()
	now := time.UnixMilli(0)
	for range signUpBurst {
		if err := a.signUp(t.Context(), from, now); err != nil {
			t.Fatal(err)
		}
	}
	var many *TooManyError
	if err := a.signUp(t.Context(), from, now); !errors.As(err, &many) || many.Seconds() != 25 {
		t.Errorf("one more: %v", err)
	}
	if err := a.signUp(t.Context(), other, now); err != nil {
		t.Errorf("another address: %v", err)
	}
}
