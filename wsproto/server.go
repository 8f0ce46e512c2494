package wsproto

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll"
	"github.com/fanfare-ws/fanfare/netpoll/paced"
)

// Server serves WebSocket connections, and ordinary HTTP on the same port. It is used like
// http.Server: fill in the fields, call ListenAndServe, and call Shutdown from another
// goroutine. The fields must not change after the first call of a method. The zero value of
// each field is its default. Methods are safe from any goroutine.
type Server struct {
	// Addr is the TCP address to listen on, "host:port"; ":8080" if empty.
	Addr string
	// Handler handles the connections that have no handler of their own.
	Handler Handler
	// NewHandler, if not nil, returns a handler for each connection. It is called once for
	// a connection, after Accept and just before OnOpen. Only nil, or a panic, still refuses
	// the connection.
	NewHandler func(r *Request) Handler
	// Accept, if not nil, decides about each handshake after the server has checked and
	// negotiated everything else. It may refuse with an error, best a [Refusal], set the
	// connection's handler, change the subprotocol, and add header fields. It runs on a
	// worker and must not wait (see AcceptAsync). Each handshake that it admits is opened, and
	// OnClose always follows, even if the peer has gone meanwhile; so Accept may reserve what
	// OnClose releases. The exception is a handshake that gets no handler: it is refused with
	// 404, or with 500 if NewHandler panics. So an Accept that reserves something should set
	// the handler itself.
	Accept func(r *Request) error
	// AcceptAsync is Accept for a decision that takes time, such as one of another service. At
	// most one of the two may be set. It is called on a worker and must return at once. The
	// decision is done(nil), or done with an error like those of Accept, from any goroutine,
	// also from AcceptAsync itself. Only the first call counts. r is valid until done is called,
	// for one goroutine at a time. Meanwhile the connection takes no worker. Its memory is its
	// header, which counts against Engine.TotalPending, and at most one read of a client that does
	// not wait for the response.
	//
	// If the client goes before the decision, HandshakeTimeout is over (it gets 503 with
	// Retry-After), or the server shuts down, then r.Context is cancelled, with the reason as
	// context.Cause, and done has no effect. That a client has gone which did not wait for the
	// response is noticed at HandshakeTimeout only. A program that reserves something asks for
	// r.Context first: unless that is cancelled when done(nil) returns, it never will be, and
	// as with Accept the connection is opened and OnClose follows.
	AcceptAsync func(r *Request, done func(error))
	// HTTP handles requests that are not WebSocket handshakes; if nil, the server answers them
	// with 426. If the server has neither Handler, NewHandler, Accept nor AcceptAsync, HTTP gets handshakes
	// too, for [Server.Upgrade].
	HTTP http.Handler
	// CheckOrigin reports whether a page of the request's Origin may connect; AllowsOrigin
	// uses it too. If it is nil these may connect: clients that send no Origin; pages of the
	// host and port that the client connects to, according to one of Proxies if there are
	// any; pages of Origins; and if the host is a loopback name or address, pages of any such
	// host, whatever the port. Others are refused with 403, and logged.
	CheckOrigin func(r *Request) bool
	// Origins are further hosts whose pages may connect: example.org and https://example.org
	// for the port that the scheme implies, example.org:8443, *.example.org for all names
	// below it, or * for every page. It has no effect with CheckOrigin.
	Origins []string
	// Hosts are further names of the server, without a port: example.org, or *.example.org.
	// They matter only on a plain connection to a loopback, private or link-local address.
	// There a request for a name that an attacker can own may come from a page whose name was
	// made to resolve to this server (DNS rebinding); it is refused with 421, and logged.
	// Names that are always accepted are IP addresses, localhost, the name of this machine,
	// names without a dot, and names below domains that cannot be registered: .localhost,
	// .local, .internal, .lan, .home.arpa and .test. So is the name in a request that must
	// have come through a proxy: its Host has port 80, which no browser sends, or its Origin
	// is a page of https, which connects with TLS only, of the same name or with port 443 in
	// Host.
	Hosts []string
	// Proxies are the proxies in front that are trusted to tell the client's address, and the
	// scheme and host that it used; none if nil.
	Proxies Proxies
	// Subprotocols are the subprotocols that the server supports. The first of the client's
	// offers that is one of them is chosen, before Accept is asked.
	Subprotocols []string

	// MaxMessage bounds the payload of a message in bytes, over all fragments, decompressed;
	// 1 MiB if 0. A larger message closes the connection with 1009. StreamAbove and MaxStream
	// count in the same way.
	MaxMessage int
	// MaxFrame bounds the payload of a frame as it is sent; MaxMessage if 0, and MaxStream if
	// the handler is a [StreamHandler].
	MaxFrame int
	// StreamAbove is the payload in bytes above which a message goes to a [StreamHandler]'s
	// OnStream instead of OnMessage; MaxMessage if 0, and at most that. It has no effect on
	// other handlers.
	StreamAbove int
	// MaxStream bounds the payload of a message that goes to OnStream, in bytes; 1 GiB if 0,
	// no bound if negative. A larger message closes the connection with 1009. A stream takes
	// 2 Engine.ReadBuffer of memory, whatever its size.
	MaxStream int64
	// MaxHeader bounds the header of any request, handshakes included, in bytes; 16 KiB if 0.
	// A larger header is refused with 431, and logged.
	MaxHeader int

	// Rate bounds the messages of each connection, and its control frames, which count as
	// messages; no bound if nil. A connection that is faster is closed with RateCode; its
	// CloseError wraps ErrRate. See [Conn.Take] for rates that a program decides.
	Rate *Rate
	// RateCode is the close code for a connection that exceeds Rate; PolicyViolation (1008) if 0.
	RateCode Code
	// MaxHandshakes bounds the handshakes under way, from the header to the decision of
	// AcceptAsync; no bound if 0. Further ones are refused with 503.
	MaxHandshakes int
	// HandshakeRate bounds the handshakes in a second, after as many as come in a second at
	// once; no bound if 0. Further ones are refused with 503. Retry-After then spreads the
	// clients over the time that all of them need, up to a minute. Local clients (see
	// [Server.IsLocal]) are exempt unless RateLocal is set. An address of a remote client may
	// use an eighth of the rate, so that it cannot lock out all others.
	HandshakeRate int
	// RateLocal has HandshakeRate count the handshakes of local clients, too.
	RateLocal bool
	// MaxConnsPerClient bounds the WebSockets of a client's address (an IPv6 /64 counts as one),
	// as one of Proxies tells it; no bound if 0. Further ones are refused with 429, and logged.
	// Local clients (see [Server.IsLocal]) are exempt unless CountLocal is set. If
	// Engine.MaxConnsPerAddr is set too, that counts the clients that come without a proxy.
	MaxConnsPerClient int
	// CountLocal has MaxConnsPerClient count connections of loopback addresses, of Unix sockets
	// (all as one client), and of Proxies that tell no client.
	CountLocal bool

	// Compression, if not nil, makes the server accept clients' offers of permessage-deflate.
	Compression *Compression

	// HandshakeTimeout bounds the time from the connection to the end of its header, and to the
	// decision of AcceptAsync if there is one; and for each later HTTP request the time from its
	// first byte; 10 s if 0. A client that takes longer gets 408. With TLS the time begins after
	// the TLS handshake, which Engine.TLSTimeout bounds, by default to the same.
	HandshakeTimeout time.Duration
	// MessageTimeout and MinRate bound the time from the first byte of a message to its last:
	// MessageTimeout, 30 s if 0, and a second more for each MinRate bytes that come. So a
	// steady peer has the time that it needs. A peer that stalls for MessageTimeout, or
	// trickles, is cut off with 1008, whether in a payload, between two fragments, or in the
	// header of a frame. If MessageTimeout is negative there is no bound.
	MessageTimeout time.Duration
	// MinRate is a rate in bytes per second; 1 KiB if 0. Anything slower uses up its time: a
	// message its MessageTimeout, a stream its StreamTimeout, the body and the response of an
	// HTTP request their HTTPTimeout. If MinRate is negative, each byte restores all of the
	// time. Engine.MinDrain is the same unless it is set.
	MinRate int
	// StreamTimeout is the same as MessageTimeout for OnStream while it waits for bytes, and
	// for a [Writer] while it waits for the peer to take some; 60 s if 0.
	StreamTimeout time.Duration
	// HTTPTimeout is the same for an HTTP handler that waits for a body, or for the peer to
	// take the response; 30 s if 0, no bound if negative. A slower peer is cut off.
	HTTPTimeout time.Duration
	// IdleTimeout is how long an HTTP connection is kept for another request; 2 min if 0.
	// When Engine.MaxConns is reached none is kept, and the connections that have waited
	// longest make room for others.
	IdleTimeout time.Duration
	// CloseTimeout bounds the closing handshake; 5 s if 0. It begins when the peer has taken
	// what was accepted before the close frame, at MinRate at least.
	CloseTimeout time.Duration
	// PingInterval is the time within which a peer is pinged: after the handshake, and then
	// after the first sign of life that followed a ping; 25 s if 0, never if negative.
	// Proxies cut connections on which they saw nothing for a time, often 60 s, even if only
	// the server is silent; so peers that send are pinged too. The ping is sent Engine.Sweep
	// earlier, and the first one up to a quarter earlier still.
	PingInterval time.Duration
	// PongTimeout is how long after a ping a peer may show no sign of life (a complete frame,
	// or bytes of a payload); 20 s if 0. Then the connection is closed, unless the peer is
	// still taking what was sent before the ping.
	PongTimeout time.Duration

	// TLSConfig is the base of the configuration that ListenTLS uses, in addition to its
	// files. It is copied. MinVersion is TLS 1.2 unless it is set, and ALPN agrees on
	// http/1.1, or on acme-tls/1 if NextProtos has that.
	TLSConfig *tls.Config

	// Engine configures the layer below the protocol. Engine.MaxConns counts HTTP connections
	// too. When it is reached, the server closes connections that idle (see IdleTimeout),
	// have sent no header yet, or are silent before or in their TLS handshake; if there are
	// none, it refuses handshakes with 503. Engine.Reserve is for connections beyond
	// MaxConns, which get that response, or one to an HTTP request such as that of a health
	// check; if 0, it is an eighth of MaxConns, at least 4 and at most 64.
	Engine netpoll.Options
	// Logger receives the messages for the operator; slog.Default() if nil.
	Logger *slog.Logger

	silent   silentConns
	counters counters
	gate     gate
	clients  *clients[*Conn]
	limits   atomic.Pointer[Limits]
	files    certificates // of ListenTLS
	// Events that strangers can cause to be logged:
	foreignOrigins, foreignHosts, largeHeaders, fullUp, crowds, tornForwards, busyGate paced.Log

	start      sync.Once
	err        error // that begin returns
	engine     *netpoll.Engine
	endpoint   *endpoint
	httpServer *httpServer
	closed     chan struct{} // by Shutdown or Drain
	close      sync.Once
	stopped    chan struct{} // by Shutdown
	stop       sync.Once
	draining   sync.Mutex // during OnDrain
}

// Validate reports the first field that has an invalid value, by its name.
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
	if err := errors.Join(s.limitsInForce().validate(), s.Compression.validate("Server")); err != nil {
		return err
	}
	if s.RateCode != 0 && !s.RateCode.Valid() {
		return fmt.Errorf("wsproto: Server.RateCode is %d; it must be a code that a close frame may have, such as 1008 or 4000 to 4999", s.RateCode)
	}
	if s.Accept != nil && s.AcceptAsync != nil {
		return errors.New("wsproto: Server.Accept and Server.AcceptAsync are both set; at most one of them may be")
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
	setDefault(&s.RateCode, PolicyViolation)
	setDefault(&s.MaxMessage, defaultMaxMessage)
	if b := s.Engine.ReadBuffer; b != 0 { // the engine keeps half of it for a header
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
		setDefault(&s.Engine.Reserve, reserveFor(s.Engine.MaxConns))
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

func (s *Server) logger() *slog.Logger {
	if s.Logger != nil {
		return s.Logger
	}
	return slog.Default()
}

// limitsInForce returns the limits, which change as a whole.
func (s *Server) limitsInForce() *Limits {
	if l := s.limits.Load(); l != nil {
		return l
	}
	return &Limits{s.Origins, s.Hosts, s.Rate, s.MaxHandshakes, s.HandshakeRate, s.MaxConnsPerClient, s.RateLocal, nil}
}

// closing reports whether Shutdown or Drain was called.
func (s *Server) closing() bool {
	select {
	case <-s.closed:
		return true
	default:
		return false
	}
}

// ErrServerClosed is returned by Wait and by the methods that listen after Shutdown or Drain.
var ErrServerClosed = errors.New("wsproto: server closed")

// reserveFor returns the default of Engine.Reserve.
func reserveFor(maxConns int) int { return min(max(maxConns/8, 4), 64) }
