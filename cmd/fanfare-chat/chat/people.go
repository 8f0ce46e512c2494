package chat

import (
	"context"
	"errors"
	"net/http"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/account"
	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
)

// credentials is the body of signup and login.
type credentials struct {
	Name     string `json:"name"`
	Password string `json:"password"`
}

// enter signs up or logs in. Then it closes the connections of the logins that have ended in the store, even
// after an error, because nothing else would close them. The response comes before that: a page whose
// connection is closed asks who is logged in, and must have the new cookie by then.
func (c *Chat) enter(w http.ResponseWriter, r *http.Request, status int,
	enter func(ctx context.Context, from account.Source, name, password string) (account.NewLogin, error),
) error {
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	var q credentials
	if err := parseJSON(body, &q); err != nil {
		return err
	}
	v := c.source(r)
	e, err := enter(r.Context(), v, q.Name, q.Password)
	if err == nil {
		http.SetCookie(w, account.Cookie(e.Token, v.Secure))
		writeJSON(w, status, map[string]userJSON{"user": newUserJSON(e.User)})
		_ = http.NewResponseController(w).Flush() // if it cannot, the response is sent when the handler returns
	}
	if ending := c.closeLogins(context.WithoutCancel(r.Context()), e.Ended); ending != nil {
		c.opts.Logger.Error("connections of ended logins could not be closed", "error", ending)
	}
	return err
}

func (c *Chat) signUp(w http.ResponseWriter, r *http.Request) {
	c.writeFailure(w, c.enter(w, r, http.StatusCreated, c.accounts.SignUp))
}

func (c *Chat) logIn(w http.ResponseWriter, r *http.Request) {
	c.writeFailure(w, c.enter(w, r, http.StatusOK, c.accounts.LogIn))
}

// logOut continues if the client does not wait, because stopping in the middle would leave connections
// of an ended login open.
func (c *Chat) logOut(k *call) error {
	ctx := context.WithoutCancel(k.Context())
	if err := c.accounts.LogOut(ctx, k.login.Hash); err != nil {
		return err
	}
	http.SetCookie(k.w, account.ExpiredCookie(c.source(k.Request).Secure))
	if err := c.closeLogin(ctx, k.user.ID, k.login.Hash); err != nil {
		return err
	}
	return k.done()
}

func (c *Chat) me(k *call) error {
	places, err := c.store.Memberships(k.Context(), k.user.ID)
	if err != nil {
		return err
	}
	return k.answer(http.StatusOK, map[string]any{"user": newUserJSON(k.user), "rooms": mapSlice(places, newRoomJSON)})
}

// namedUser returns the user named in the request's body.
func (c *Chat) namedUser(k *call) (store.User, error) {
	var q struct {
		Name string `json:"name"`
	}
	if err := k.readJSON(&q); err != nil {
		return store.User{}, err
	}
	u, err := c.store.UserByKey(k.Context(), account.Key(q.Name))
	if errors.Is(err, store.ErrNotFound) {
		err = errorf(http.StatusNotFound, "there is no user named %q", q.Name)
	}
	return u, err
}
