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

// Options configures [Accounts]. Those without a default have to be set.
type Options struct {
	Store store.Store
	Now   func() time.Time // the clock; time.Now if nil
	Cost  Cost             // of passwords; DefaultCost if zero
	// Hashes is how many are computed at a time; 2 if 0.
	Hashes int
	// MaxLogins is how many logins a user has; beyond that the oldest end. 50 if 0.
	MaxLogins int
}

// Accounts are the accounts of a store. Its methods are safe from any goroutine.
type Accounts struct {
	opts     Options
	hasher   *hasher
	attempts attempts
	lookups  *fair.Semaphore[netip.Addr] // whose logins are looked for, before anything is counted
}

// maxLookups are the questions at a time whose a token is, of them so many of one address; and so
// many wait, of one address and in total. Nobody has to log in to ask them.
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

// Errors of SignUp and LogIn, in words for the person who asks.
var (
	ErrTaken       = errors.New("that name is taken")
	ErrConfusable  = errors.New("that name looks the same as somebody else's")
	ErrCredentials = errors.New("name or password is wrong")
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

// Source is where an attempt comes from.
type Source struct {
	Addr    netip.Addr // the client's, not a proxy's
	Secure  bool       // it came over TLS: so must the cookie
	Cookies string     // the value of the header
}

// owner returns what counts as one address.
func (v *Source) owner() netip.Addr { return netpoll.OwnerOf(v.Addr) }

// NewLogin is what SignUp and LogIn return. Ended may be there beside an error: those logins are
// not in the store any more.
type NewLogin struct {
	User  store.User
	Token Token
	Ended []store.Login // those that this one has replaced, or for which there is no room any more
}

// SignUp makes an account, and logs in. The error is ErrTaken, ErrConfusable, an *InvalidError,
// a *TooManyError, or the store's.
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
	// To hash is dear; a race for the name is decided by AddUser.
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

// LogIn logs in. The error is ErrCredentials, whether it is the name or the password, a
// *TooManyError, or the store's.
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

// ownLogin returns the login of a user with that key that the client has already, nil if
// it has none.
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

// addLogin logs a user in, and ends the logins whose cookies the new one replaces: nobody
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
