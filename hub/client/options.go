package client

import (
	"cmp"
	"crypto/tls"
	"net/http"
	"net/url"
	"time"

	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/netpoll"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// Options configures a [Client]. The zero value of each field has a meaning.
type Options struct {
	// Header is added to each handshake, for example for authorization.
	Header http.Header
	// TLSConfig is for wss://; see wsproto.Client.
	TLSConfig *tls.Config
	// Compression, if not nil, offers permessage-deflate.
	Compression *wsproto.Compression
	// Engine runs the connection; if nil, one that all clients of the process share.
	Engine *netpoll.Engine
	// Proxy is as in wsproto.Client: the environment's (HTTP_PROXY and so on) if nil.
	Proxy func(*http.Request) (*url.URL, error)
	// MaxMessage bounds what the server may send at a time, in bytes; 64 MiB if 0. It must
	// not be less than wire.MaxEvent of the server's own limit: a message grows by its
	// envelope, and a reply with history is one message.
	MaxMessage int

	// MinDelay is the longest time before the first attempt to connect again, 500 ms
	// if 0; it doubles with each attempt, up to MaxDelay, 30 s if 0. The time itself is
	// random, so that clients who lost a server together do not return together.
	MinDelay, MaxDelay time.Duration
	// PingInterval is the silence after which the server is pinged; 25 s if 0.
	PingInterval time.Duration
	// Timeout bounds the answer to a ping, and an attempt to connect; 10 s if 0. A
	// connection that lasted longer makes the next delay begin with MinDelay.
	Timeout time.Duration

	// MaxCalls bounds the calls that wait for a reply or the connection; 10,000 if 0.
	MaxCalls int
	// Backlog is for how many bytes callbacks may be late; 4 MiB if 0. Each counts 256 bytes,
	// and the message that it is called for. Beyond it the connection is not read.
	Backlog int

	// OnOpen is called when the client is connected, for the first time or again.
	OnOpen func(wire.Hello)
	// OnClose is called when a connection or an attempt has ended, with the reason and
	// the time after which the next attempt is made; negative: never.
	OnClose func(err error, retry time.Duration)
	// OnMessage is called for what was sent to the user that this client is for, which
	// takes no subscription. What is sent while the client is not connected is lost.
	OnMessage func(Message)
	// OnUnreadable is called for a message of the server's that cannot be read, and has been
	// skipped, with an error that wraps ErrUnreadable. If it is nil, the default logger of
	// log/slog is told, at most once a minute.
	OnUnreadable func(error)
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
	return filled
}

func set[T comparable](field *T, otherwise T) { *field = cmp.Or(*field, otherwise) }
