package client

import (
	"cmp"
	"context"
	"crypto/tls"
	"net/http"
	"net/url"
	"time"

	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/netpoll"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// Options configures a [Client]. The zero value of each field selects its default. A Client copies
// the Options, and does not modify what they refer to.
type Options struct {
	// Header is sent with each handshake, for example for authorization.
	Header http.Header
	// Token, if not nil, returns the client's token, which the client sends in a message, never in
	// the URL. StaticToken returns a function for a token that is never renewed. The client calls
	// Token before it connects, unless it has a token that may still be valid, and again at a
	// random moment between 50 and 80 % of the token's remaining life; it then sends the new token
	// without reconnecting, unless the token belongs to another user: then it reconnects, and its
	// subscriptions resume with the rights of that user. why says what happened to the last one. An error has the client try
	// again later, with growing delays; it keeps the last token while that is valid. An error that
	// wraps ErrUnauthorized is final: the client is closed when the last token is no longer valid.
	// Token is called from any goroutine, once at a time, and should return when ctx is done, which
	// is after Timeout.
	Token func(ctx context.Context, why TokenReason) (string, error)
	// Others are the URLs of the other nodes of a cluster. When the connection to one node breaks, or an
	// attempt fails, the client tries another one at random. Its subscriptions resume there, so the nodes
	// must have the same broker. Dial itself tries its own URL only.
	Others []string
	// TLSConfig is used for wss:// URLs; see wsproto.Client.
	TLSConfig *tls.Config
	// Compression, if not nil, offers permessage-deflate.
	Compression *wsproto.Compression
	// Engine runs the connection. Default: an engine that all clients of the process share.
	Engine *netpoll.Engine
	// Proxy selects a proxy, as in wsproto.Client. Default: from the environment (HTTP_PROXY and
	// so on).
	Proxy func(*http.Request) (*url.URL, error)
	// MaxMessage bounds a message of the server, in bytes. Default: 64 MiB. It must be at least
	// wire.MaxEvent of the server's own limit, because the envelope makes a message longer, and
	// a reply to History is a single message.
	MaxMessage int

	// MinDelay bounds the delay before the first attempt to reconnect. Default: 500 ms. The bound
	// doubles with each attempt, up to MaxDelay. Default: 30 s. The delay itself is random, so
	// that clients who lose a server together do not return together.
	MinDelay, MaxDelay time.Duration
	// PingInterval is the silence after which the client pings the server. Default: 25 s.
	PingInterval time.Duration
	// Timeout bounds an attempt to connect and the wait for a pong. Default: 10 s. After a
	// connection that lasted longer, the delay starts at MinDelay again.
	Timeout time.Duration

	// MaxCalls bounds the calls that wait for a reply or for a connection. Default: 10,000. A call
	// beyond it fails with ErrBusy.
	MaxCalls int
	// Backlog bounds the memory of callbacks that have not run yet, in bytes. Default: 4 MiB. Each
	// counts as 256 bytes plus its message. Beyond it the client does not read the connection.
	Backlog int

	// OnOpen is called when the client has connected, for the first time or again.
	OnOpen func(wire.Hello)
	// OnClose is called when a connection or an attempt has ended, with the cause and the delay
	// before the next attempt; a negative delay means that there is none.
	OnClose func(err error, retry time.Duration)
	// OnMessage is called for messages to the client's user, which need no subscription. Messages
	// sent while the client is not connected are lost.
	OnMessage func(Message)
	// OnUnreadable is called for each message of the server that the client has skipped because
	// it cannot be parsed. The error wraps ErrUnreadable. Default: a warning by the default
	// logger of log/slog, at most once a minute.
	OnUnreadable func(error)

	clock clock // nil for that of package time; another in tests
}

func (o *Options) withDefaults() Options {
	filled := Options{}
	if o != nil {
		filled = *o
	}
	set(&filled.MaxMessage, 64<<20)
	set(&filled.MinDelay, 500*time.Millisecond)
	set(&filled.MaxDelay, 30*time.Second)
	set(&filled.PingInterval, 25*time.Second)
	set(&filled.Timeout, 10*time.Second)
	set(&filled.MaxCalls, 10_000)
	set(&filled.Backlog, 4<<20)
	if filled.clock == nil {
		filled.clock = realClock{}
	}
	return filled
}

func set[T comparable](field *T, otherwise T) { *field = cmp.Or(*field, otherwise) }
