package account

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// tried reports the result of an attempt, which may have waited.
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

// Repeated attempts with a wrong password are first delayed and then refused; other users are not
// affected.
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

// Attempts with many names from one address are delayed, except for users who usually log in there.
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
			t.Errorf("a user known there: %s", got)
		}
		if got := tried(t, &a, "another", other, nil); got != "after 0s" {
			t.Errorf("from elsewhere: %s", got)
		}
		for i := range 10 {
			go func() { _ = a.logIn(t.Context(), pair{fmt.Sprint("more", i), from}, nil, time.Now()) }()
			synctest.Wait()
		}
		if got := tried(t, &a, "ada", from, nil); got != "after 0s" {
			t.Errorf("a user known there, while others wait: %s", got)
		}
	})
}

// Despite attempts with a name from many addresses, its owner can log in at a usual address, or with an
// existing login.
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
			t.Errorf("with a login used to guess the password: %s", got)
		}
	})
}

// However long one address tries one name or many, their owners log in from new addresses without
// waiting, and only the tokens of that address are used up.
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
				t.Fatalf("after %v the owner waits %v; permitted: %v", now.Sub(began), wait, ok)
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
		t.Errorf("an address above its own rate has used tokens of %d names and %d pairs", n, p)
	}
}

// An attempt counted by several limiters waits for the longest of them, and not for their sum.
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
