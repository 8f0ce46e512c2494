package wsproto

import "context"

var defaultClient Client

// Dial connects to a ws:// or wss:// URL with a [Client] that has all defaults: see
// [Client.Dial].
func Dial(ctx context.Context, rawURL string, h Handler) (*Conn, error) {
	return defaultClient.Dial(ctx, rawURL, h)
}

// Dial connects to a ws:// or wss:// URL and waits until the connection is open and h.OnOpen
// has returned. ctx and HandshakeTimeout bound that, and nothing after it: the connection
// lives until one endpoint closes it. All addresses of the host are tried. A user and a
// password in the URL are sent as Authorization (Basic); no error quotes the password.
// Client.Proxy says which proxy to use. The error says what failed; if the response does not
// open a WebSocket, it is a [HandshakeError]. If ctx is done first the error wraps ctx's
// cause; OnClose is called if OnOpen was. h may be nil for a connection that only sends.
// Within a Handler, Dial occupies a worker while it waits.
func (k *Client) Dial(ctx context.Context, rawURL string, h Handler) (*Conn, error) {
	target, err := k.target(ctx, rawURL)
	if err != nil {
		return nil, err
	}
	if h == nil {
		h = new(Funcs)
	}
	type result struct {
		conn *Conn
		err  error
	}
	done := make(chan result, 1) // one result comes, and perhaps nothing waits for it
	d := &dial{
		target: target, handler: h,
		failed: func(err error) { done <- result{err: err} },
		opened: func(c *Conn) { done <- result{conn: c} },
	}
	if err := k.start(d); err != nil {
		return nil, err
	}
	select {
	case r := <-done:
		return r.conn, r.err
	case <-ctx.Done():
		err := &HandshakeError{Reason: "the caller gave up", Err: context.Cause(ctx)}
		d.giveUp(err)
		return nil, err
	}
}
