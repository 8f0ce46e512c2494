package account

import (
	"context"
	"net/netip"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/fair"
)

// How often somebody may try. Who has tried too often is slowed down at first: an attempt
// waits up to maxAttemptWait for its turn, and is refused only if it would take longer. A name's come
// back as fast as five addresses that try it use them: fewer do not shut its owner out.
const (
	pairBurst      = 10 // attempts to log in with one name from one place ...
	pairEvery      = 5 * time.Second
	nameBurst      = 100 // ... with one name, from all places that it has not been used from ...
	nameEvery      = time.Second
	addressBurst   = 100 // ... and from one address, with all names that it has not logged in
	addressEvery   = 2 * time.Second
	signUpBurst    = 100 // accounts that one address makes
	signUpEvery    = 30 * time.Second
	maxAttemptWait = 5 * time.Second

	// knownTime is for how long it is remembered that a name has logged in at an address.
	knownTime = 90 * 24 * time.Hour
)

// pair is a name at a place from which somebody tries.
type pair struct {
	key  string
	addr netip.Addr
}

// attempts counts what is tried. Places that are good for a name are counted by
// themselves: so nobody is shut out, where they always log in or have a login, by what
// others try elsewhere, nor by what is tried with other names at their address.
type attempts struct {
	pairs     *fair.Limiter[pair]
	names     *fair.Limiter[string]
	addresses *fair.Limiter[netip.Addr]
	signUps   *fair.Limiter[netip.Addr]
	logins    *fair.Limiter[[32]byte] // by those that the one who tries has already
	known     *fair.Limiter[pair]     // pairs that have logged in: those that are counted
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

// logIn waits until an attempt may be made; the error is a *TooManyError, or the cause for
// which ctx has ended. own is a login of that name, from where the attempt comes, or nil.
func (a *attempts) logIn(ctx context.Context, p pair, own *[32]byte, now time.Time) error {
	if own != nil {
		return waitTurn(ctx, a.logins.Take, *own, now)
	}
	if a.known.Used(p, now) {
		return waitTurn(ctx, a.pairs.Take, p, now)
	}
	return waitTurn(ctx, a.takeUnknown, p, now)
}

// takeUnknown takes an attempt from all that counts it, and returns the longest wait. The
// address is first, and the pair second: one that tries too much spends nothing of a name.
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

// succeeded notes that a name has logged in at an address.
func (a *attempts) succeeded(p pair, now time.Time) {
	a.pairs.Reset(p)
	a.known.Reset(p)
	a.known.Take(p, now, 0)
}

// waitTurn takes one of k, and waits until it may be used.
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
