package account

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/fair"
	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
	"github.com/fanfare-ws/fanfare/netpoll"
)

// Options configures [Accounts]. Fields without a default are required.
type Options struct {
	Store store.Store
	Now   func() time.Time // the clock; default: time.Now
	Cost  Cost             // of hashing a password; default: DefaultCost
	// Hashes is the number of hashes computed at a time. Default: 2.
	Hashes int
	// MaxLogins is the number of logins of a user, beyond which the oldest end. Default: 50.
	MaxLogins int
}

// Accounts manages the accounts in a store. Its methods may be called from any goroutine.
type Accounts struct {
	opts     Options
	hasher   *hasher
	attempts attempts
	lookups  *fair.Semaphore[netip.Addr] // limits lookups of tokens, which happen before anything is counted
}

// Limits of token lookups: at a time, in total and per address; and waiting, per address and in total.
// They are needed because clients without a login can cause lookups.
const maxLookups, maxLookupsPerAddr, maxWaitingPerAddr, maxWaitingLookups = 8, 4, 256, 4096

// New returns the accounts of a store.
func New(o Options) (*Accounts, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Cost = cmp.Or(o.Cost, DefaultCost)
	o.MaxLogins = cmp.Or(o.MaxLogins, 50)
	h, err := newHasher(o.Cost, cmp.Or(o.Hashes, 2))
	if err != nil {
		return nil, err
	}
	return &Accounts{
		opts: o, hasher: h, attempts: newAttempts(),
		lookups: fair.NewSemaphore[netip.Addr](maxLookups, maxLookupsPerAddr, maxWaitingPerAddr, maxWaitingLookups),
	}, nil
}

// Errors of SignUp and LogIn. Their texts are meant for the user.
var (
	ErrTaken       = errors.New("this name is already taken")
	ErrConfusable  = errors.New("this name looks the same as an existing name")
	ErrCredentials = errors.New("the name or the password is incorrect")
)

// InvalidError is the error for an invalid name or password. Its text is meant for the user.
type InvalidError struct{ Reason error }

func (e *InvalidError) Error() string { return e.Reason.Error() }

// Unwrap returns the Reason.
func (e *InvalidError) Unwrap() error { return e.Reason }

// TooManyError is the error for too many attempts.
type TooManyError struct{ Wait time.Duration } // until the next attempt is possible

func (e *TooManyError) Error() string {
	return fmt.Sprintf("too many attempts; try again in %d s", e.Seconds())
}

// Seconds returns Wait in whole seconds, rounded up, for a Retry-After header.
func (e *TooManyError) Seconds() int { return int((e.Wait + time.Second - 1) / time.Second) }

// Source describes the client that makes a request.
type Source struct {
	Addr    netip.Addr // of the client, not of a proxy
	Secure  bool       // the request came over TLS, so the cookie must too
	Cookies string     // the value of the Cookie header
}

// owner returns the address by which the client is counted: an IPv6 client by its /64.
func (v *Source) owner() netip.Addr { return netpoll.OwnerOf(v.Addr) }

// NewLogin is the result of SignUp and LogIn. Ended may be set even if there is an error: those logins
// are no longer in the store.
type NewLogin struct {
	User  store.User
	Token Token
	Ended []store.Login // logins that this one has replaced, or that exceeded MaxLogins
}

// SignUp creates an account and logs in. The error is ErrTaken, ErrConfusable, an *InvalidError, a
// *TooManyError, or an error of the store.
func (a *Accounts) SignUp(ctx context.Context, v Source, name, password string) (e NewLogin, err error) {
	shown, key, err := ParseName(name)
	if err == nil {
		password, err = preparePassword(password)
	}
	if err != nil {
		return e, &InvalidError{err}
	}
	if err := a.attempts.signUp(ctx, v.owner(), a.opts.Now()); err != nil {
		return e, err
	}
	// Check before the expensive hash. AddUser decides a race for the name.
	if _, err := a.opts.Store.UserByKey(ctx, key); err == nil {
		return e, ErrTaken
	} else if !errors.Is(err, store.ErrNotFound) {
		return e, err
	}
	hash, err := a.hasher.hash(ctx, v.owner(), password)
	if err != nil {
		return e, err
	}
	u, err := a.opts.Store.AddUser(ctx, store.User{Name: shown, Key: key, Password: hash, Created: a.opts.Now()})
	switch {
	case errors.Is(err, store.ErrConfusable):
		return e, ErrConfusable
	case errors.Is(err, store.ErrTaken):
		return e, ErrTaken
	case err != nil:
		return e, err
	}
	return a.addLogin(ctx, &v, u)
}

// LogIn logs in. The error is ErrCredentials, whether the name or the password is wrong, a
// *TooManyError, or an error of the store.
func (a *Accounts) LogIn(ctx context.Context, v Source, name, password string) (e NewLogin, err error) {
	key := Key(name)
	own, err := a.ownLogin(ctx, &v, key)
	if err != nil {
		return e, err
	}
	p := pair{key, v.owner()}
	if err := a.attempts.logIn(ctx, p, own, a.opts.Now()); err != nil {
		return e, err
	}
	u, err := a.opts.Store.UserByKey(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		u, err = store.User{}, nil
	}
	if err != nil {
		return e, err
	}
	ok, err := a.matches(ctx, p, own, u.Password, password)
	switch {
	case err != nil:
		return e, err
	case !ok:
		return e, ErrCredentials
	}
	if e, err = a.addLogin(ctx, &v, u); err != nil {
		return e, err
	}
	return a.revokeIfPasswordChanged(ctx, e)
}

// ownLogin returns the hash of the login for that name that the client already has, or nil.
func (a *Accounts) ownLogin(ctx context.Context, v *Source, key string) (*[32]byte, error) {
	tokens := tokensIn(v.Cookies, v.Secure)
	if len(tokens) == 0 {
		return nil, nil
	}
	release, err := a.admitLookup(ctx, v)
	if err != nil {
		return nil, err
	}
	defer release()
	for _, t := range tokens {
		hash := t.Hash()
		_, u, err := a.opts.Store.Login(ctx, hash, a.opts.Now())
		if err == nil && u.Key == key {
			return &hash, nil
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
	}
	return nil, nil
}

// addLogin adds a login, and ends the logins whose cookies the new one replaces, because no client
// could end them any more.
func (a *Accounts) addLogin(ctx context.Context, v *Source, u store.User) (e NewLogin, err error) {
	now := a.opts.Now()
	a.attempts.succeeded(pair{u.Key, v.owner()}, now)
	e.User, e.Token = u, newToken()
	e.Ended, err = a.opts.Store.AddLogin(ctx, store.Login{
		Hash: e.Token.Hash(), User: u.ID, Created: now, Expires: now.Add(loginTime),
	}, a.opts.MaxLogins)
	if err != nil {
		return NewLogin{}, err
	}
	for _, t := range tokensIn(v.Cookies, v.Secure) {
		l, _, err := a.opts.Store.Login(ctx, t.Hash(), now)
		if err == nil {
			err = a.LogOut(ctx, l.Hash)
		}
		switch {
		case err == nil:
			e.Ended = append(e.Ended, l)
		case !errors.Is(err, store.ErrNotFound):
			return NewLogin{Ended: e.Ended}, err
		}
	}
	e.Ended = slices.CompactFunc(e.Ended, func(l, m store.Login) bool { return l.Hash == m.Hash })
	return e, nil
}
