package account

import (
	"context"
	"net/netip"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/fair"
)

// Limits on attempts. An attempt above the rate waits for up to maxAttemptWait, and is refused only if
// it would have to wait longer. The rate per name equals that of five addresses, so fewer than five
// attackers cannot lock the owner of a name out.
const (
	pairBurst      = 10 // logins with one name from one address
	pairEvery      = 5 * time.Second
	nameBurst      = 100 // logins with one name from all addresses at which it has not logged in before
	nameEvery      = time.Second
	addressBurst   = 100 // logins from one address with all names that have not logged in there before
	addressEvery   = 2 * time.Second
	signUpBurst    = 100 // accounts created from one address
	signUpEvery    = 30 * time.Second
	maxAttemptWait = 5 * time.Second

	// knownTime is how long the server remembers that a name has logged in at an address.
	knownTime = 90 * 24 * time.Hour
)

// pair is a name and the address of an attempt.
type pair struct {
	key  string
	addr netip.Addr
}

// attempts counts attempts. A pair that has logged in before is counted by itself. So a user with a
// login, or at a usual address, is not locked out by attempts from other addresses, nor by attempts
// with other names at the same address.
type attempts struct {
	pairs     *fair.Limiter[pair]
	names     *fair.Limiter[string]
	addresses *fair.Limiter[netip.Addr]
	signUps   *fair.Limiter[netip.Addr]
	logins    *fair.Limiter[[32]byte] // by the login that the client already has
	known     *fair.Limiter[pair]     // pairs that have logged in: those with a used token
}

func newAttempts() attempts {
	return attempts{
		pairs:     fair.NewLimiter[pair](pairBurst, pairEvery),
		names:     fair.NewLimiter[string](nameBurst, nameEvery),
		addresses: fair.NewLimiter[netip.Addr](addressBurst, addressEvery),
		signUps:   fair.NewLimiter[netip.Addr](signUpBurst, signUpEvery),
		logins:    fair.NewLimiter[[32]byte](pairBurst, pairEvery),
		known:     fair.NewLimiter[pair](1, knownTime),
	}
}

// logIn waits until an attempt is permitted. The error is a *TooManyError or the cause of ctx. own is
// a login for that name that the client already has, or nil.
func (a *attempts) logIn(ctx context.Context, p pair, own *[32]byte, now time.Time) error {
	if own != nil {
		return waitTurn(ctx, a.logins.Take, *own, now)
	}
	if a.known.Used(p, now) {
		return waitTurn(ctx, a.pairs.Take, p, now)
	}
	return waitTurn(ctx, a.takeUnknown, p, now)
}

// takeUnknown takes a token from each limiter and returns the longest wait. The address comes first and
// the pair second, so that an address above its own limit does not use up the tokens of a name.
func (a *attempts) takeUnknown(p pair, now time.Time, most time.Duration) (wait time.Duration, ok bool) {
	for _, take := range []func() (time.Duration, bool){
		func() (time.Duration, bool) { return a.addresses.Take(p.addr, now, most) },
		func() (time.Duration, bool) { return a.pairs.Take(p, now, most) },
		func() (time.Duration, bool) { return a.names.Take(p.key, now, most) },
	} {
		w, ok := take()
		if wait = max(wait, w); !ok {
			return wait, false
		}
	}
	return wait, true
}

func (a *attempts) signUp(ctx context.Context, addr netip.Addr, now time.Time) error {
	return waitTurn(ctx, a.signUps.Take, addr, now)
}

// succeeded records that a name has logged in at an address.
func (a *attempts) succeeded(p pair, now time.Time) {
	a.pairs.Reset(p)
	a.known.Reset(p)
	a.known.Take(p, now, 0)
}

// waitTurn takes a token of k, and waits until it may be used.
func waitTurn[K any](ctx context.Context, take func(K, time.Time, time.Duration) (time.Duration, bool), k K, now time.Time) error {
	wait, ok := take(k, now, maxAttemptWait)
	if !ok {
		return &TooManyError{wait - maxAttemptWait}
	}
	if wait == 0 {
		return nil
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
