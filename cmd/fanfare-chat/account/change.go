package account

import (
	"context"
	"errors"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
)

// ErrPassword is the error for a wrong current password. Its text is meant for the user.
var ErrPassword = errors.New("your current password is incorrect")

// ChangePassword sets a user's password to wanted, if current is the present one. It ends all logins of
// the user except l, and returns them; the caller must close their connections. The error is
// ErrPassword, an *InvalidError, a *TooManyError, or an error of the store.
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
	if errors.Is(err, store.ErrNotFound) { // the password was changed at the same time
		err = ErrPassword
	}
	return ended, err
}

// revokeIfPasswordChanged ends a new login if the password was changed while it was being added. The
// change itself has ended only the logins that existed before.
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
