package account

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
)

// Options configures [Accounts]. Those without a default have to be set.
type Options struct {
	Store  store.Store
	Secure bool             // the server speaks TLS: so are the cookies
	Now    func() time.Time // the clock; time.Now if nil
	Cost   Cost             // of passwords; DefaultCost if zero
	// Hashes is how many are computed at a time; 2 if 0.
	Hashes int
}

// Accounts are the accounts of a store. Its methods are safe from any goroutine.
type Accounts struct {
	opts      Options
	hasher    *hasher
	names     *limit[string]
	addresses *limit[netip.Prefix]
}

const (
	nameBurst    = 10 // attempts to log in with a name ...
	nameEvery    = 10 * time.Second
	addressBurst = 100 // ... and those of an address, to sign up too
	addressEvery = 2 * time.Second
)

// New returns the accounts of a store.
func New(o Options) (*Accounts, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Cost = cmp.Or(o.Cost, DefaultCost)
	h, err := newHasher(o.Cost, cmp.Or(o.Hashes, 2))
	if err != nil {
		return nil, err
	}
	return &Accounts{
		opts: o, hasher: h,
		names:     newLimit[string](nameBurst, nameEvery),
		addresses: newLimit[netip.Prefix](addressBurst, addressEvery),
	}, nil
}

// Errors of SignUp and LogIn, in words for who asks.
var (
	ErrTaken = errors.New("that name is taken")
	ErrWrong = errors.New("name or password is wrong")
)

// InvalidError says what is wrong with a name or a password.
type InvalidError struct{ Reason error }

func (e *InvalidError) Error() string { return e.Reason.Error() }

// Unwrap returns the Reason.
func (e *InvalidError) Unwrap() error { return e.Reason }

// TooManyError says that there were too many attempts.
type TooManyError struct{ Wait time.Duration } // until there is one again

func (e *TooManyError) Error() string {
	return fmt.Sprintf("too many attempts; try again in %d s", e.Seconds())
}

// Seconds returns Wait as it stands in Retry-After: whole seconds, not too few.
func (e *TooManyError) Seconds() int { return int((e.Wait + time.Second - 1) / time.Second) }

// SignUp makes an account, and logs in. The error is ErrTaken, an *InvalidError, a
// *TooManyError, or the store's.
func (a *Accounts) SignUp(ctx context.Context, from netip.Addr, name, password string) (u store.User, t Token, err error) {
	shown, key, err := ParseName(name)
	if err == nil {
		err = checkPassword(password)
	}
	if err != nil {
		return u, t, &InvalidError{err}
	}
	if wait := a.addresses.take(block(from), a.opts.Now()); wait > 0 {
		return u, t, &TooManyError{wait}
	}
	// To hash is dear; a race for the name is decided by AddUser.
	if _, err := a.opts.Store.UserByKey(ctx, key); err == nil {
		return u, t, ErrTaken
	} else if !errors.Is(err, store.ErrNotFound) {
		return u, t, err
	}
	hash, err := a.hasher.hash(ctx, password)
	if err != nil {
		return u, t, err
	}
	u, err = a.opts.Store.AddUser(ctx, store.User{Name: shown, Key: key, Password: hash, Created: a.opts.Now()})
	if errors.Is(err, store.ErrTaken) {
		return u, t, ErrTaken
	}
	if err == nil {
		t, err = a.begin(ctx, u.ID)
	}
	return u, t, err
}

// LogIn logs in. The error is ErrWrong, whether it is the name or the password, a
// *TooManyError, or the store's.
func (a *Accounts) LogIn(ctx context.Context, from netip.Addr, name, password string) (u store.User, t Token, err error) {
	_, key, err := ParseName(name)
	if err != nil {
		key = "" // which nobody has
	}
	now := a.opts.Now()
	if wait := max(a.addresses.take(block(from), now), a.names.take(key, now)); wait > 0 {
		return u, t, &TooManyError{wait}
	}
	u, err = a.opts.Store.UserByKey(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		u, err = store.User{}, nil
	}
	if err != nil {
		return u, t, err
	}
	ok, err := a.hasher.matches(ctx, u.Password, password)
	switch {
	case err != nil:
		return store.User{}, t, err
	case !ok:
		return store.User{}, t, ErrWrong
	}
	a.names.forgive(key)
	t, err = a.begin(ctx, u.ID)
	return u, t, err
}

// block returns what counts as one address: of IPv6 a whole network, which somebody has
// for themselves.
func block(a netip.Addr) netip.Prefix {
	a = a.Unmap()
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits)
	return p
}
