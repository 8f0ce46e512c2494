package wsproto

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// Client opens connections to servers. Like a server's they have no goroutine of
// their own, so one client can hold very many. The fields must not change after
// the first Dial; the zero value of each has a meaning.
type Client struct {
	// Header is added to each handshake.
	Header http.Header
	// Subprotocols are offered, best first.
	Subprotocols []string
	// Compression, if not nil, offers permessage-deflate.
	Compression *Compression
	// MaxMessage, StreamAbove, MaxStream, StreamTimeout, HandshakeTimeout,
	// CloseTimeout, PingInterval and PongTimeout are as in [Server], but nothing
	// is pinged if PingInterval is 0. To connect and to shake hands with TLS has a
	// time of its own, the engine's TLSTimeout.
	MaxMessage       int
	StreamAbove      int
	MaxStream        int64
	StreamTimeout    time.Duration
	HandshakeTimeout time.Duration
	CloseTimeout     time.Duration
	PingInterval     time.Duration
	PongTimeout      time.Duration
	// TLSConfig is for targets with TLS. It is copied; ServerName is the
	// target's host unless it says something else, and ALPN offers http/1.1.
	TLSConfig *tls.Config
	// Engine runs the connections. It is not the client's: its owner shuts it
	// down. If nil, a small one that the clients of the process share runs
	// them, for as long as there are any.
	Engine *netpoll.Engine

	once    sync.Once
	side    *side
	configs sync.Map // of *tls.Config, by server name
}

// Target is a server's address, looked up.
type Target struct {
	Addr netip.AddrPort
	Host string // for the Host field
	URI  string
	TLS  bool
}

// ParseTarget takes a ws:// or wss:// URL apart and looks its host up.
func ParseTarget(ctx context.Context, rawURL string) (Target, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return Target{}, fmt.Errorf("wsproto: %w", err)
	}
	secure := u.Scheme == "wss"
	if !secure && u.Scheme != "ws" || u.Host == "" {
		return Target{}, fmt.Errorf("wsproto: %q is no WebSocket URL: it has to look like ws://host:port/path, or wss:// for TLS", rawURL)
	}
	port := u.Port()
	if port == "" {
		port = map[bool]string{false: "80", true: "443"}[secure]
	}
	var r net.Resolver
	n, err := r.LookupPort(ctx, "tcp", port)
	if err != nil {
		return Target{}, fmt.Errorf("wsproto: port of %q: %w", rawURL, err)
	}
	ips, err := r.LookupNetIP(ctx, "ip", u.Hostname())
	if err != nil {
		return Target{}, fmt.Errorf("wsproto: host of %q: %w", rawURL, err)
	}
	ip := ips[0].Unmap()
	for _, other := range ips { // localhost: servers listen on IPv4 more often
		if other.Unmap().Is4() {
			ip = other.Unmap()
			break
		}
	}
	return Target{Addr: netip.AddrPortFrom(ip, uint16(n)), Host: u.Host, URI: u.RequestURI(), TLS: secure}, nil
}

// HandshakeError says why a server did not become a WebSocket peer.
type HandshakeError struct {
	Status int    // of HTTP; 0 if the answer was none
	Reason string // in words; for a refusal, the begin of the answer's body
	Err    error  // of the transport, or nil
}

func (e *HandshakeError) Error() string {
	s := "wsproto: no WebSocket: "
	if e.Status != 0 {
		s += fmt.Sprintf("the server answered %d %s", e.Status, http.StatusText(e.Status))
		if e.Reason != "" {
			s += ": "
		}
	}
	s += e.Reason
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns Err.
func (e *HandshakeError) Unwrap() error { return e.Err }

// dial is a handshake of a client that is under way.
type dial struct {
	client *Client
	target Target
	key    string
	failed func(error)
	opened func() // after OnOpen; or nil
	// Nobody waits any more. A connection that is still in its TLS handshake cannot
	// be closed before that is over.
	givenUp atomic.Bool
}

// Start begins to connect to t, from the address from unless it is not valid, and
// does not wait: h.OnOpen is called when the connection is open, or else failed,
// once, with the reason, mostly a [HandshakeError].
func (k *Client) Start(t Target, from netip.Addr, h Handler, failed func(error)) error {
	_, err := k.start(from, h, &dial{target: t, failed: failed})
	return err
}

func (k *Client) start(from netip.Addr, h Handler, d *dial) (*Conn, error) {
	if err := k.Compression.validate("Client"); err != nil {
		return nil, err
	}
	k.once.Do(k.begin)
	d.client, d.key = k, newKey()
	c := &Conn{side: k.side, handler: h}
	c.extras().dial = d
	if err := k.connect(from, c, d); err != nil {
		return nil, err
	}
	if d.target.TLS { // its own deadline is the engine's; startDial sets the handshake's
		return c, nil
	}
	c.io.SetDeadline(k.HandshakeTimeout) // to connect, too
	if c.flags.Load()&flagOpen != 0 {    // it is there already
		c.armFirst()
	}
	return c, nil
}

func (k *Client) connect(from netip.Addr, c *Conn, d *dial) (err error) {
	engine := k.Engine
	if engine == nil {
		if engine, err = shared.take(); err != nil {
			return err
		}
	}
	if d.target.TLS {
		err = engine.DialTLS(from, d.target.Addr, k.tlsFor(d.target.Host), (*handle)(c))
	} else {
		err = engine.Dial(from, d.target.Addr, (*handle)(c))
	}
	if err != nil && k.Engine == nil {
		shared.release() // else OnClose does
	}
	return err
}

func (k *Client) begin() {
	def(&k.MaxMessage, defaultMaxMessage)
	def(&k.HandshakeTimeout, 10*time.Second)
	def(&k.CloseTimeout, 5*time.Second)
	def(&k.PongTimeout, 20*time.Second)
	k.side = &side{
		limits:       limits{frame: k.MaxMessage, message: k.MaxMessage},
		streams:      newStreams(0, min(cmp.Or(k.StreamAbove, k.MaxMessage), k.MaxMessage), k.MaxStream, k.StreamTimeout),
		state:        ws.StateClientSide,
		ping:         k.PingInterval,
		pong:         k.PongTimeout,
		closeTimeout: k.CloseTimeout,
		compression:  k.Compression.withDefaults(),
		shared:       k.Engine == nil,
	}
}

// tlsFor returns the configuration for connections to host, one for all of them.
func (k *Client) tlsFor(host string) *tls.Config {
	name := (&url.URL{Host: host}).Hostname()
	if c, ok := k.configs.Load(name); ok {
		return c.(*tls.Config)
	}
	c := k.TLSConfig.Clone()
	if c == nil {
		c = new(tls.Config)
	}
	def(&c.ServerName, name)
	c.NextProtos = []string{"http/1.1"}
	kept, _ := k.configs.LoadOrStore(name, c)
	return kept.(*tls.Config)
}

// newKey returns the nonce of a handshake (RFC 6455, 4.1).
func newKey() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.StdEncoding.EncodeToString(b[:])
}

// acceptKey is the proof that the server understood the handshake (RFC 6455,
// 4.2.2).
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// startDial sends the request.
func (c *Conn) startDial() {
	d := c.extra.Load().dial
	if d.givenUp.Load() {
		c.io.Close(context.Canceled)
		return
	}
	c.io.SetDeadline(d.client.HandshakeTimeout)
	var b bytes.Buffer
	fmt.Fprintf(&b, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n",
		d.target.URI, d.target.Host, d.key)
	for i, p := range d.client.Subprotocols {
		sep := ", "
		if i == 0 {
			sep = "Sec-WebSocket-Protocol: "
		}
		b.WriteString(sep + p)
	}
	if len(d.client.Subprotocols) > 0 {
		b.WriteString("\r\n")
	}
	if k := c.side.compression; k != nil {
		fmt.Fprintf(&b, "Sec-WebSocket-Extensions: %s\r\n", k.offer().extension())
	}
	_ = d.client.Header.Write(&b)
	b.WriteString("\r\n")
	c.io.Write(nil, b.Bytes())
}

// shakeClient looks at the answer.
func (c *Conn) shakeClient(data []byte) (used int) {
	end := bytes.Index(data, headerEnd) + len(headerEnd)
	if end < len(headerEnd) {
		if !bytes.HasPrefix(data, []byte("HTTP/")[:min(5, len(data))]) {
			c.io.Close(&HandshakeError{Reason: fmt.Sprintf("the server's answer is no HTTP: it begins with %.20q", data)})
		} else if len(data) > defaultMaxHeader {
			c.io.Close(&HandshakeError{Reason: "the header of the server's answer is too large"})
		}
		return 0
	}
	x := c.extra.Load()
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(data)), nil)
	if err == nil {
		if refused := resp.StatusCode != http.StatusSwitchingProtocols; refused && int64(len(data)-end) < min(resp.ContentLength, maxRefusal) {
			return 0 // the reason is still to come
		}
		if err = x.dial.judge(resp); err == nil {
			err = c.extensions(resp.Header)
		}
	} else {
		err = &HandshakeError{Reason: "the server's answer is no HTTP", Err: err}
	}
	if err != nil {
		c.io.Close(err)
		return len(data)
	}
	if x.dial.opened != nil {
		defer x.dial.opened()
	}
	x.subprotocol = resp.Header.Get("Sec-WebSocket-Protocol")
	x.dial = nil
	if x.subprotocol == "" && x.takeover == nil {
		c.extra.Store(nil)
	}
	c.opened()
	r := Request{conn: c, Header: resp.Header, Subprotocol: x.subprotocol}
	c.handler.OnOpen(c, &r)
	return end
}

// extensions takes those that the server chose.
func (c *Conn) extensions(h http.Header) error {
	chosen := strings.Join(h.Values("Sec-WebSocket-Extensions"), ", ")
	if chosen == "" {
		return nil
	}
	d, err := c.side.compression.judge(chosen)
	if err == nil {
		c.compress(d)
	}
	return err
}

// maxRefusal is how much of the body of a refusal is kept.
const maxRefusal = 200

// judge checks the answer (RFC 6455, 4.1).
func (d *dial) judge(resp *http.Response) error {
	switch h := resp.Header; {
	case resp.StatusCode != http.StatusSwitchingProtocols:
		body, _ := io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
		return &HandshakeError{Status: resp.StatusCode, Reason: string(bytes.TrimSpace(body))}
	case !hasToken(h.Get("Upgrade"), "websocket"), !hasToken(h.Get("Connection"), "Upgrade"):
		return &HandshakeError{Reason: "the server's answer does not upgrade to websocket"}
	case h.Get("Sec-WebSocket-Accept") != acceptKey(d.key):
		return &HandshakeError{Reason: "the server's Sec-WebSocket-Accept is not the answer to our key"}
	case h.Get("Sec-WebSocket-Protocol") != "" && choose(d.client.Subprotocols, []string{h.Get("Sec-WebSocket-Protocol")}) == "":
		return &HandshakeError{Reason: "the server chose a subprotocol that was not offered: " + h.Get("Sec-WebSocket-Protocol")}
	}
	return nil
}

// dialFailed tells the one who began.
func (c *Conn) dialFailed(err error) {
	x := c.extra.Load()
	if x == nil || x.dial == nil || x.dial.failed == nil {
		return
	}
	var he *HandshakeError
	if !errors.As(err, &he) {
		reason := "the connection failed"
		if errors.Is(err, io.EOF) {
			reason, err = "the server closed the connection before it answered the handshake", io.ErrUnexpectedEOF
		}
		err = &HandshakeError{Reason: reason, Err: err}
	}
	x.dial.failed(err)
}
