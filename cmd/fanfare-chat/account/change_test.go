package account

import (
	"context"
	"errors"
	"testing"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
)

func TestChangePassword(t *testing.T) {
	a := accounts(t, Options{})
	mine, err := a.SignUp(t.Context(), at(from), "Zoë", "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	elsewhere, err := a.LogIn(t.Context(), at(other), "Zoë", "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	v := at(from, inCookie(mine.Token, false))
	l, u, err := a.Authenticate(t.Context(), v)
	if err != nil {
		t.Fatal(err)
	}
	var invalid *InvalidError
	if _, err := a.ChangePassword(t.Context(), v, l, u, "correct horse", "short"); !errors.As(err, &invalid) {
		t.Errorf("too short: %v", err)
	}
	if _, err := a.ChangePassword(t.Context(), v, l, u, "wrong horse", "another horse"); !errors.Is(err, ErrPassword) {
		t.Errorf("wrong: %v", err)
	}
	ended, err := a.ChangePassword(t.Context(), v, l, u, "correct horse", "a caf\u00e9 horse")
	if err != nil || len(ended) != 1 || ended[0].Hash != elsewhere.Token.Hash() {
		t.Fatalf("%+v %v", ended, err)
	}
	if _, err := a.ChangePassword(t.Context(), v, l, u, "correct horse", "a third horse"); !errors.Is(err, ErrPassword) {
		t.Errorf("at the same time: %v", err)
	}
	if _, _, err := a.Authenticate(t.Context(), v); err != nil {
		t.Errorf("the login that asked: %v", err)
	}
	if _, _, err := a.Authenticate(t.Context(), at(other, inCookie(elsewhere.Token, false))); !errors.Is(err, ErrNoLogin) {
		t.Errorf("another login: %v", err)
	}
	if _, err := a.LogIn(t.Context(), at(other), "Zoë", "correct horse"); !errors.Is(err, ErrCredentials) {
		t.Errorf("with the old password: %v", err)
	}
	if _, err := a.LogIn(t.Context(), at(other), "Zoë", "a cafe\u0301 horse"); err != nil {
		t.Errorf("with the new one, typed otherwise: %v", err)
	}
}

// Guessing a password by changing it is limited, too.
func TestChangePasswordIsLimited(t *testing.T) {
	a := accounts(t, Options{})
	e, err := a.SignUp(t.Context(), at(from), "Zoë", "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	v := at(from, inCookie(e.Token, false))
	l, u, err := a.Authenticate(t.Context(), v)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // so that none waits for its turn
	for range pairBurst {
		_ = a.attempts.logIn(ctx, pair{u.Key, from}, &l.Hash, a.opts.Now())
	}
	if _, err := a.ChangePassword(ctx, v, l, u, "wrong horse", "another horse"); err == nil || errors.Is(err, ErrPassword) {
		t.Errorf("one more: %v", err)
	}
}

// changing is a store that changes the password of a user during a login with it.
type changing struct {
	store.Store
	change func()
}

func (c *changing) AddLogin(ctx context.Context, l store.Login, most int) ([]store.Login, error) {
	c.change()
	return c.Store.AddLogin(ctx, l, most)
}

// A login that is added while its password is being changed ends.
func TestChangePasswordDuringLogIn(t *testing.T) {
	a := accounts(t, Options{})
	e, err := a.SignUp(t.Context(), at(from), "Zoë", "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	kept := a.opts.Store
	a.opts.Store = &changing{kept, func() {
		if _, err := kept.SetPassword(t.Context(), e.User.ID, e.User.Password, "another", e.Token.Hash()); err != nil {
			t.Error(err)
		}
	}}
	if got, err := a.LogIn(t.Context(), at(other), "Zoë", "correct horse"); !errors.Is(err, ErrCredentials) {
		t.Errorf("%+v %v", got, err)
	}
	all, err := kept.ExpireLogins(t.Context(), a.opts.Now().Add(2*loginTime))
	if err != nil || len(all) != 1 || all[0].Hash != e.Token.Hash() {
		t.Errorf("logins that are left: %+v %v", all, err)
	}
}
