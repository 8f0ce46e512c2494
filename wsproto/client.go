package wsproto

import (
	"cmp"
	"crypto/tls"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/gobwas/ws"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// Client opens connections to servers. Like a server's connections they have no goroutine of
// their own, so one client can hold very many. The fields must not change after the first
// Dial. The zero value of each field is its default.
type Client struct {
	// Header is added to each handshake. Its Authorization takes precedence over the user and
	// the password of a URL.
	Header http.Header
	// Subprotocols are offered, best first.
	Subprotocols []string
	// Compression, if not nil, offers permessage-deflate.
	Compression *Compression
	// MaxMessage, StreamAbove, MaxStream, StreamTimeout, HandshakeTimeout, CloseTimeout,
	// PingInterval and PongTimeout are as in [Server], but no pings are sent if PingInterval
	// is 0. Connecting and TLS handshakes have a timeout of their own, the engine's
	// TLSTimeout.
	MaxMessage       int
	StreamAbove      int
	MaxStream        int64
	StreamTimeout    time.Duration
	HandshakeTimeout time.Duration
	CloseTimeout     time.Duration
	PingInterval     time.Duration
	PongTimeout      time.Duration
	// TLSConfig is used for targets with TLS. It is copied. ServerName is the target's host
	// unless it is set, and ALPN offers http/1.1.
	TLSConfig *tls.Config
	// Proxy returns the proxy for a request, or nil for none. The request's URL has the
	// scheme http for ws://, and https for wss://. If the function is nil, the environment
	// decides (HTTP_PROXY, HTTPS_PROXY, NO_PROXY: see [http.ProxyFromEnvironment], which
	// never returns a proxy for localhost). Only proxies with http:// URLs are supported.
	// They are asked for a tunnel (CONNECT), with and without TLS to the target. Start does
	// not use a proxy.
	Proxy func(*http.Request) (*url.URL, error)
	// Engine runs the connections. The client does not own it: its owner must shut it down.
	// If nil, a small engine runs them that the clients of the process share, for as long as
	// there are any connections.
	Engine *netpoll.Engine

	once     sync.Once
	endpoint *endpoint
	configs  sync.Map // of *tls.Config, by server name
}

func (k *Client) begin() {
	setDefault(&k.MaxMessage, defaultMaxMessage)
	setDefault(&k.HandshakeTimeout, 10*time.Second)
	setDefault(&k.CloseTimeout, 5*time.Second)
	setDefault(&k.PongTimeout, 20*time.Second)
	k.endpoint = &endpoint{
		limits:       limits{frame: k.MaxMessage, message: k.MaxMessage},
		streams:      newStreams(0, min(cmp.Or(k.StreamAbove, k.MaxMessage), k.MaxMessage), k.MaxStream, k.StreamTimeout, -1),
		state:        ws.StateClientSide,
		ping:         k.PingInterval,
		pong:         k.PongTimeout,
		closeTimeout: k.CloseTimeout,
		compression:  k.Compression.withDefaults(),
		shared:       k.Engine == nil,
	}
}

// tlsFor returns the configuration for connections to host, which they share.
func (k *Client) tlsFor(host string) *tls.Config {
	name := (&url.URL{Host: host}).Hostname()
	if c, ok := k.configs.Load(name); ok {
		return c.(*tls.Config)
	}
	c := k.TLSConfig.Clone()
	if c == nil {
		c = new(tls.Config)
	}
	setDefault(&c.ServerName, name)
	c.NextProtos = []string{"http/1.1"}
	kept, _ := k.configs.LoadOrStore(name, c)
	return kept.(*tls.Config)
}
