package chat

import (
	"context"
	"errors"
	"net/http"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/account"
)

// changePassword changes the caller's password, and ends their other logins.
func (c *Chat) changePassword(k *call) error {
	var q struct {
		Current string `json:"current"`
		Wanted  string `json:"wanted"`
	}
	if err := k.readJSON(&q); err != nil {
		return err
	}
	ended, err := c.accounts.ChangePassword(k.Context(), c.source(k.Request), k.login, k.user, q.Current, q.Wanted)
	if errors.Is(err, account.ErrPassword) {
		return errorf(http.StatusForbidden, "%v", err) // 401 would mean that the login has ended
	}
	if err != nil {
		return err
	}
	if err := c.closeLogins(context.WithoutCancel(k.Context()), ended); err != nil {
		return err
	}
	return k.done()
}
