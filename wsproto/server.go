package wsproto

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// Server serves WebSocket connections, and ordinary HTTP on the same port. It is
// used like http.Server: fill in the fields, call ListenAndServe, and Shutdown
// from another goroutine. The fields must not change after the first call of a
// method; the zero value of each has a meaning. Methods are safe from any
// goroutine.
type Server struct {
	// Addr is the TCP address to listen on, "host:port"; ":8080" if empty.
	Addr string
	// Handler gets the connections that have no handler of their own.
	Handler Handler
	// NewHandler, if not nil, returns a handler for each connection. It is called once for
	// a connection, when nothing can refuse it any more, just before OnOpen.
	NewHandler func(r *Request) Handler
	// Accept, if not nil, is asked about each handshake, when the server has checked and
	// negotiated everything else: it may refuse with an error, best a [Refusal], set the
	// connection's handler, change the subprotocol, and add header fields. It runs on a
	// worker. Each handshake that it admits is opened, and OnClose always follows, even if
	// the peer has gone meanwhile; so Accept may take what OnClose gives back. The
	// exception is a handshake that has no handler: it is refused with 404.
	Accept func(r *Request) error
	// HTTP gets requests that are not WebSocket handshakes; if nil, they are answered with
	// 426. If the server has neither Handler, NewHandler nor Accept, HTTP gets handshakes
	// too, for [Server.Upgrade].
	HTTP http.Handler
	// CheckOrigin reports whether a page of the request's Origin may connect, and what
	// AllowsOrigin answers. If nil, these may: clients that send no Origin; pages from
	// the host and port that are connected to, or were according to one of Proxies;
	// those of Origins; and if that host is a loopback name or address, pages from any
	// of these, whatever the port. Others are refused with 403, and logged.
	CheckOrigin func(r *Request) bool
	// Origins are further hosts whose pages may connect: example.org and
	// https://example.org for the port that the scheme implies, example.org:8443,
	// *.example.org for all below it, or * for every page. Not with CheckOrigin.
	Origins []string
	// Hosts are further names, without a port, that the server has: example.org, or
	// *.example.org. They matter on a plain connection to a loopback, private or
	// link-local address only, where a request for a name that a stranger can own
	// may be one of a page that had that name point here (DNS rebinding), and is
	// refused with 421, and logged. Other good names are IP addresses, localhost, the
	// machine's own name, names without a dot, and those below domains that nobody can
	// register: .localhost, .local, .internal, .lan, .home.arpa and .test. So is the name of
	// a request which shows that a proxy is in front: its Host names port 80, which no
	// browser does, or its Origin is a page of https, which connects with TLS only, of
	// the same name or with port 443 in Host.
	Hosts []string
	// Proxies are the proxies in front that are trusted to say what the client's
	// address is, and which scheme and host it used; none if nil.
	Proxies Proxies
	// Subprotocols are those that the server speaks. The first of the client's
	// offers that is one of them is agreed on, before Accept is asked.
	Subprotocols []string

	// MaxMessage bounds the payload of a message, in bytes, whole or in
	// fragments, decompressed; 1 MiB if 0. A larger one ends the connection with
	// 1009. StreamAbove and MaxStream count in the same way.
	MaxMessage int
	// MaxFrame bounds the payload of a frame as it comes; MaxMessage if 0, and
	// MaxStream where the handler is a [StreamHandler].
	MaxFrame int
	// StreamAbove is the payload in bytes above which a message goes to a
	// [StreamHandler]'s OnStream, and not to OnMessage; MaxMessage if 0, and at
	// most that. Other handlers are not concerned.
	StreamAbove int
	// MaxStream bounds the payload of a message that goes to OnStream, in bytes;
	// 1 GiB if 0, none if negative. A larger one ends the connection with 1009.
	// It takes 2 Engine.ReadBuffer of memory, whatever its size.
	MaxStream int64
	// MaxHeader bounds the header of a handshake, and of any request, in bytes; 16 KiB
	// if 0. A larger one is answered with 431, and logged.
	MaxHeader int

	// Compression, if not nil, accepts clients' offers of permessage-deflate.
	Compression *Compression

	// HandshakeTimeout bounds the time from the connection to the end of its
	// header, and that of each later HTTP request from its first byte; 10 s if 0. Who
	// takes longer gets 408. With TLS it begins after that, which is bounded by
	// Engine.TLSTimeout, by default the same.
	HandshakeTimeout time.Duration
	// MessageTimeout and MinRate bound how long a message may take from its first byte to
	// its last: MessageTimeout, 30 s if 0, of which each MinRate bytes that come give a
	// second back. So a peer that is steady has the time that it needs, and one that
	// stalls for MessageTimeout, or trickles, is cut off with 1008, be it in a payload,
	// between two fragments, or in the header of a frame. If MessageTimeout is negative,
	// nothing bounds a message.
	MessageTimeout time.Duration
	// MinRate is a rate in bytes per second; 1 KiB if 0. What is slower uses up its time: a
	// message its MessageTimeout, a stream its StreamTimeout, the body and the answer of
	// an HTTP request their HTTPTimeout. If MinRate is negative, each byte gives all of
	// the time back. Engine.MinDrain is as large, unless it is set.
	MinRate int
	// StreamTimeout is what MessageTimeout is, for OnStream as it waits for the bytes of a
	// stream, and for a [Writer] as it waits that the peer takes some; 60 s if 0.
	StreamTimeout time.Duration
	// HTTPTimeout is the same for an HTTP handler that waits for a body, or for the
	// peer to take the answer; 30 s if 0, without bound if negative. A peer that is
	// slower is cut off.
	HTTPTimeout time.Duration
	// IdleTimeout is for how long an HTTP connection is kept for another request;
	// 2 min if 0. When Engine.MaxConns is reached none is, and the oldest of those
	// that wait make room for others.
	IdleTimeout time.Duration
	// CloseTimeout bounds the closing handshake; 5 s if 0. It begins when the peer has
	// taken what was accepted before the close frame, at MinRate at least.
	CloseTimeout time.Duration
	// PingInterval is within what time of the handshake, and then of the last sign of
	// life that followed a ping, a peer is pinged again: 25 s if 0, never if negative.
	// Proxies cut connections on which they saw nothing for a time, often 60 s, also
	// if it is only the server that is silent; so peers that send are pinged too. The
	// ping is sent Engine.Sweep earlier, and the first up to a quarter earlier still.
	PingInterval time.Duration
	// PongTimeout is for how long after a ping a peer may show no sign of life: complete
	// frames, or bytes of a payload; 20 s if 0. Then the connection is closed, unless
	// the peer is still taking what was sent before the ping.
	PongTimeout time.Duration

	// TLSConfig is what ListenTLS begins with, beside its files. It is copied;
	// MinVersion is TLS 1.2 unless it says something else, and ALPN agrees on
	// http/1.1.
	TLSConfig *tls.Config

	// Engine configures what is below the protocol. Engine.MaxConns counts HTTP
	// connections too. When it is reached, connections that idle (see IdleTimeout),
	// have sent no header yet, or are silent before or in their TLS handshake, are closed
	// to make room; if there are none, handshakes are refused with 503. Engine.Reserve is for connections beside MaxConns, which get
	// that answer, or one to an HTTP request such as that of a health check; if 0, it is
	// an eighth of MaxConns, at least 4 and at most 64.
	Engine netpoll.Options
	// Logger gets what an operator has to know; slog.Default() if nil.
	Logger *slog.Logger

	silent   silentConns
	counters counters
	// What strangers can cause to be logged:
	foreignOrigins, foreignHosts, largeHeaders, fullUp, tornForwards logLimiter

	start      sync.Once
	err        error // of start
	engine     *netpoll.Engine
	endpoint   *endpoint
	httpServer *httpServer
	mu         sync.Mutex
	closed     chan struct{} // by Shutdown
}

const (
	defaultMaxMessage = 1 << 20
	defaultMaxHeader  = 16 << 10
	defaultPing       = 25 * time.Second
)

// Validate reports the first field that has no meaning, by its name.
func (s *Server) Validate() error {
	for _, f := range []struct {
		name  string
		value int
	}{{"MaxMessage", s.MaxMessage}, {"MaxFrame", s.MaxFrame}, {"MaxHeader", s.MaxHeader}, {"StreamAbove", s.StreamAbove}, {"StreamTimeout", int(s.StreamTimeout)},
		{"HandshakeTimeout", int(s.HandshakeTimeout)}, {"CloseTimeout", int(s.CloseTimeout)}, {"PongTimeout", int(s.PongTimeout)},
		{"IdleTimeout", int(s.IdleTimeout)},
	} {
		if f.value < 0 {
			return fmt.Errorf("wsproto: Server.%s is %d; it must not be negative", f.name, f.value)
		}
	}
	if err := errors.Join(validateHosts("Origins", s.Origins), validateHosts("Hosts", s.Hosts), s.Compression.validate("Server")); err != nil {
		return err
	}
	if maximum := cmp.Or(s.MaxMessage, defaultMaxMessage); s.StreamAbove > maximum {
		return fmt.Errorf("wsproto: Server.StreamAbove is %d bytes; it must be at most MaxMessage, %d", s.StreamAbove, maximum)
	}
	if b := s.Engine.ReadBuffer; b != 0 && s.MaxHeader > b/2 {
		return fmt.Errorf("wsproto: Server.MaxHeader is %d bytes; it must be at most half of Engine.ReadBuffer, %d", s.MaxHeader, b/2)
	}
	return s.Engine.Validate()
}

func (s *Server) setDefaults() {
	setDefault(&s.Addr, ":8080")
	setDefault(&s.MaxMessage, defaultMaxMessage)
	if b := s.Engine.ReadBuffer; b != 0 { // half of it is what the engine keeps of a header
		setDefault(&s.MaxHeader, min(defaultMaxHeader, b/2))
	}
	setDefault(&s.MaxHeader, defaultMaxHeader)
	setDefault(&s.Engine.ReadBuffer, max(64<<10, 2*s.MaxHeader))
	setDefault(&s.HandshakeTimeout, 10*time.Second)
	setDefault(&s.CloseTimeout, 5*time.Second)
	setDefault(&s.MessageTimeout, 30*time.Second)
	setDefault(&s.MinRate, 1<<10)
	setDefault(&s.Engine.MinDrain, s.MinRate)
	setDefault(&s.HTTPTimeout, 30*time.Second)
	setDefault(&s.IdleTimeout, 2*time.Minute)
	setDefault(&s.PingInterval, defaultPing)
	setDefault(&s.PongTimeout, 20*time.Second)
	if s.Engine.MaxConns > 0 {
		setDefault(&s.Engine.Reserve, min(max(s.Engine.MaxConns/8, 4), 64))
	}
	if s.Engine.Logger == nil {
		s.Engine.Logger = s.Logger
	}
	setDefault(&s.Engine.TLSTimeout, s.HandshakeTimeout)
	// An echo of the largest message must fit behind what holds reading back.
	if s.Engine.MaxPending == 0 {
		s.Engine.MaxPending = max(4<<20, 4*s.MaxMessage)
	}
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

func (s *Server) logger() *slog.Logger {
	if s.Logger != nil {
		return s.Logger
	}
	return slog.Default()
}
