package account

import (
	"context"
	"errors"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
)

// ErrPassword says that a password is not the user's.
var ErrPassword = errors.New("that is not your password now")

// ChangePassword gives a user another password, if current is theirs now. All their logins
// end but the one that asks, l; the caller closes the connections of those that it returns.
// The error is ErrPassword, an *InvalidError, a *TooManyError, or the store's.
func (a *Accounts) ChangePassword(ctx context.Context, v Source, l store.Login, u store.User, current, wanted string) ([]store.Login, error) {
	wanted, err := preparePassword(wanted)
	if err != nil {
		return nil, &InvalidError{err}
	}
	p := pair{u.Key, v.owner()}
	if err := a.attempts.logIn(ctx, p, &l.Hash, a.opts.Now()); err != nil {
		return nil, err
	}
	ok, err := a.matches(ctx, p, &l.Hash, u.Password, current)
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return nil, ErrPassword
	}
	hash, err := a.hasher.hash(ctx, p.addr, wanted)
	if err != nil {
		return nil, err
	}
	a.attempts.succeeded(p, a.opts.Now())
	ended, err := a.opts.Store.SetPassword(context.WithoutCancel(ctx), u.ID, u.Password, hash, l.Hash)
	if errors.Is(err, store.ErrNotFound) { // it was changed at the same time
		err = ErrPassword
	}
	return ended, err
}

// revokeIfPasswordChanged ends a login again that began while the password was changed with which it was
// asked for: the change has ended those before it alone.
func (a *Accounts) revokeIfPasswordChanged(ctx context.Context, e NewLogin) (NewLogin, error) {
	u, err := a.opts.Store.UserByKey(ctx, e.User.Key)
	if err == nil && u.Password == e.User.Password {
		return e, nil
	}
	if ending := a.LogOut(context.WithoutCancel(ctx), e.Token.Hash()); ending != nil || err != nil {
		return NewLogin{Ended: e.Ended}, errors.Join(err, ending)
	}
	return NewLogin{Ended: e.Ended}, ErrCredentials
}
