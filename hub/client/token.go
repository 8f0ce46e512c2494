package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"time"

	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// TokenReason says why a client asks for a token.
type TokenReason string

const (
	TokenFirst    TokenReason = "first"    // there is none yet
	TokenExpiring TokenReason = "expiring" // the last one expires soon, or has expired
	TokenRefused  TokenReason = "refused"  // the server has refused the last one, for example because it was revoked
)

// StaticToken returns a function for Options.Token for a token that is never renewed. When the
// server refuses the token or it has expired, the client is closed.
func StaticToken(token string) func(context.Context, TokenReason) (string, error) {
	return func(_ context.Context, why TokenReason) (string, error) {
		if why != TokenFirst {
			return "", fmt.Errorf("%w: the only token is %s", ErrUnauthorized, why)
		}
		return token, nil
	}
}

// token is the client's token, which does not depend on the connection. It is guarded by Client.mu.
type token struct {
	value   string
	expires time.Time // zero if it does not, or before the server has said when
	refused bool
	refusal error // why the server has refused it
	err     error // of a function that has said that it has no further tokens
	tries   int   // attempts to renew it that were of no use
	renewal timer
}

// needed returns why another token is needed, "" if it is not.
func (k *token) needed(now time.Time) TokenReason {
	switch {
	case k.value == "":
		return TokenFirst
	case k.refused:
		return TokenRefused
	case !k.expires.IsZero() && !now.Before(k.expires):
		return TokenExpiring
	}
	return ""
}

// ensureToken asks for a token if there is none that may be valid.
func (c *Client) ensureToken(ctx context.Context) error {
	if c.opts.Token == nil {
		return nil
	}
	return c.fetchToken(ctx, "")
}

// fetchToken asks the program for a token. If why is "", it does so only if one is needed. It waits
// for a call that is in progress.
func (c *Client) fetchToken(ctx context.Context, why TokenReason) error {
	select {
	case c.fetching <- struct{}{}:
		defer func() { <-c.fetching }()
	case <-ctx.Done():
		return fmt.Errorf("client: no token: %w", context.Cause(ctx))
	}
	if ctx.Err() != nil { // the call in progress ended at the same moment
		return fmt.Errorf("client: no token: %w", context.Cause(ctx))
	}
	c.mu.Lock()
	needed, err := c.token.needed(c.opts.clock.Now()), c.token.err
	c.mu.Unlock()
	if why == "" {
		why = needed
	}
	if why == "" {
		return nil
	} else if err != nil {
		return err
	}
	value, err := c.opts.Token(ctx, why)
	if err == nil && (value == "" || len(value) > wire.MaxToken) {
		err = fmt.Errorf("%w: Options.Token returned %d bytes, want 1 to %d", ErrUnauthorized, len(value), wire.MaxToken)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err == nil:
		c.token.value, c.token.expires, c.token.refused = value, time.Time{}, false
	case errors.Is(err, ErrUnauthorized):
		if c.token.refused {
			err = fmt.Errorf("%w: %w", err, c.token.refusal)
		}
		c.token.err = err
	default:
		err = fmt.Errorf("client: no token (%s): %w", why, err)
	}
	return err
}

// sendToken sends the token as the first message of a connection.
func (c *Client) sendToken(ws *wsproto.Conn) {
	if c.opts.Token == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lastID++
	r := wire.Request{ID: c.lastID, Do: wire.Auth, Token: c.token.value} // nothing waits for the reply: the hello says the same
	if text, err := r.Append(nil); err == nil {
		ws.Send(wsproto.Text, text)
	}
}

// tokenRefusedLocked records and reports that the server has closed a connection because of its
// token.
func (c *Client) tokenRefusedLocked(err error) bool {
	var e *wire.Error
	if !wsproto.IsCloseError(err, wire.CloseUnauthorized) && (!errors.As(err, &e) || e.Code != wire.Unauthorized) {
		return false
	}
	c.token.refused, c.token.refusal = true, err
	return true
}

// tokenAcceptedLocked has the token renewed in time. expires is in the unit of the protocol.
func (c *Client) tokenAcceptedLocked(conn *connection, expires int64) {
	if c.opts.Token == nil || expires <= 0 {
		c.token.tries = 0
		return
	}
	remaining := time.Duration(min(expires, maxExpiry.Milliseconds())) * time.Millisecond
	c.token.expires = c.opts.clock.Now().Add(remaining)
	wait := remaining/2 + rand.N(remaining*3/10+1)
	soon := wait < c.opts.MinDelay
	if soon && c.token.tries > 0 { // Options.Token returns a token that has almost expired
		c.renewAgainLocked(conn, TokenExpiring, 0)
		return
	}
	c.token.tries = 0
	if soon {
		c.token.tries = 1
	}
	c.renewLaterLocked(conn, TokenExpiring, wait)
}

// maxExpiry is the longest time until a token is renewed.
const maxExpiry = 365 * 24 * time.Hour

// renewLaterLocked has a new token fetched and sent on a connection. If why is "", the last one is
// sent again.
func (c *Client) renewLaterLocked(conn *connection, why TokenReason, wait time.Duration) {
	c.stopRenewalLocked()
	c.token.renewal = c.opts.clock.AfterFunc(wait, func() { c.renew(conn, why) })
}

func (c *Client) stopRenewalLocked() {
	if c.token.renewal != nil {
		c.token.renewal.Stop()
	}
}

// renew fetches a token, and sends it on the connection that is open.
func (c *Client) renew(conn *connection, why TokenReason) {
	var err error
	if why != "" {
		ctx, cancel := context.WithTimeout(c.life, c.opts.Timeout)
		defer cancel()
		err = c.fetchToken(ctx, why)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.current != conn || !c.open || errors.Is(err, ErrUnauthorized): // the last token is used while it is valid
	case err != nil:
		c.renewAgainLocked(conn, why, 0)
	default:
		c.sendRenewalLocked(conn)
	}
}

// sendRenewalLocked sends the token on the connection that is open.
func (c *Client) sendRenewalLocked(conn *connection) {
	r := wire.Request{Do: wire.Auth, Token: c.token.value}
	_, err := c.callLocked(r, discard, func(ok *wire.Result, err error) { c.renewedLocked(conn, ok, err) })
	if err != nil && c.err == nil {
		c.renewAgainLocked(conn, "", 0)
	}
}

// renewAgainLocked tries again later, until the server ends the connection.
func (c *Client) renewAgainLocked(conn *connection, why TokenReason, atLeast time.Duration) {
	wait := max(c.opts.MinDelay/2+c.backoff(c.token.tries), atLeast)
	c.token.tries++
	c.renewLaterLocked(conn, why, wait)
}

// renewedLocked takes the reply to a token, or the error of the call.
func (c *Client) renewedLocked(conn *connection, ok *wire.Result, err error) {
	var e *wire.Error
	switch {
	case err == nil:
		c.tokenAcceptedLocked(conn, ok.Expires)
	case errors.Is(err, ErrLost), c.err != nil: // the next connection sends the token
	case errors.Is(err, ErrUnreadable), !errors.As(err, &e): // what the server thinks of the token is not known
		c.renewAgainLocked(conn, "", 0)
	default:
		c.renewalRefusedLocked(conn, e)
	}
}

// renewalRefusedLocked takes the server's error for a token.
func (c *Client) renewalRefusedLocked(conn *connection, e *wire.Error) {
	switch {
	case e.Temporary():
		c.renewAgainLocked(conn, "", e.RetryAfter())
	case e.Code == wire.BadRequest: // the server takes no tokens; the last one is used while it is valid
	case e.Code == wire.Forbidden: // the token is for another user, who needs another connection
		conn.close(wsproto.NormalClosure, "")
		c.disconnectedLocked(conn, e)
	default:
		c.token.refused, c.token.refusal = true, e
		c.renewAgainLocked(conn, TokenRefused, 0)
	}
}

// withAuth returns a URL whose handshake says that a token follows.
func withAuth(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += "auth=message"
	return u.String()
}
