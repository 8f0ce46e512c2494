package peers_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/wsproto"
	"github.com/fanfare-ws/fanfare/wsproto/wstest"
)

const (
	patience   = 60 * time.Second
	maxMessage = 16 << 20
)

// peer is a connected client of another project. Its methods are called one at a time; each
// waits for the result that it promises, and fails after patience. errors.ErrUnsupported
// means that this client cannot do it.
type peer interface {
	// extensions returns Sec-WebSocket-Extensions of the server's response.
	extensions() string
	// roundTrip sends a message and expects another.
	roundTrip(send, want message) error
	// fragments sends a message in fragments and expects it back whole.
	fragments(parts []message) error
	// ping sends a ping and expects its payload back in a pong.
	ping(payload string) error
	// close begins the closing handshake and returns the code that the server
	// answers with, or 0 if this client does not wait for it.
	close(code wsproto.Code, reason string) (answer wsproto.Code, err error)
	// closed sends a message, expects the server to close the connection, and returns the
	// reason that the client received.
	closed(send message) (code wsproto.Code, reason string, err error)
	// hangUp drops the connection, in whatever state it is.
	hangUp()
}

// dialer connects a peer that offers compression.
type dialer func(t *testing.T, addr string) peer

// message describes a message, short enough to be sent to another process.
type message struct {
	op    wsproto.Opcode
	unit  string
	times int
}

func text(s string) message { return message{wsproto.Text, s, 1} }

func (m message) payload() string { return strings.Repeat(m.unit, m.times) }

func (m message) String() string {
	return fmt.Sprintf("opcode %d, %d x %.20q", m.op, m.times, m.unit)
}

// check compares got with the expected message.
func (m message) check(op wsproto.Opcode, payload string) error {
	if op != m.op || payload != m.payload() {
		return fmt.Errorf("got opcode %d, %d bytes, %.40q; want %v", op, len(payload), payload, m)
	}
	return nil
}

// allBytes contains each byte once.
var allBytes = func() string {
	b := make([]byte, 256)
	for i := range b {
		b[i] = byte(i)
	}
	return string(b)
}()

// messages are sent by every peer, and come back.
var messages = []message{
	text(""),
	text("hello"),
	text("κόσμε 🎺"),
	{wsproto.Binary, "", 1},
	{wsproto.Binary, "\xff", 1},
	{wsproto.Text, "x", 125},
	{wsproto.Text, "x", 126},
	{wsproto.Binary, allBytes, 1 << 8}, // the first length that takes eight bytes
	{wsproto.Text, "the same again, ", 1000},
	{wsproto.Text, "κόσμε 🎺 ", maxMessage / 16},
	{wsproto.Binary, allBytes, maxMessage / 256},
}

// closings are codes and reasons that every peer can send and receive: browsers send none of
// the other codes below 3000.
var closings = []struct {
	code   wsproto.Code
	reason string
}{{1000, ""}, {1000, "bye"}, {3000, "κόσμε 🎺"}, {4999, strings.Repeat("r", 123)}}

// mode is a configuration of the server.
type mode struct {
	name       string
	compressed bool // the server accepts the offer of compression
	server     *wsproto.Server
}

// servers returns the configurations that every peer must work with.
func servers() []mode {
	return []mode{
		{"plain", false, &wsproto.Server{}},
		{"compression", true, &wsproto.Server{Compression: &wsproto.Compression{}}},
		{"takeover", true, &wsproto.Server{Compression: &wsproto.Compression{Takeover: true}}},
		{"small windows", true, &wsproto.Server{Compression: &wsproto.Compression{Takeover: true, WindowBits: 9}}},
	}
}

// every runs all steps with peers of one kind, with each configuration of the server.
func every(t *testing.T, dial dialer) {
	for _, m := range servers() {
		t.Run(m.name, func(t *testing.T) {
			b := &bench{mode: m, dial: dial, ended: make(chan *wsproto.CloseError, 10)}
			b.listen(t)
			t.Run("extensions", b.extensions)
			t.Run("messages", b.messages)
			t.Run("fragments", b.fragments)
			t.Run("pinged by the server", b.pingedByServer)
			t.Run("pinged by the peer", b.pingedByPeer)
			t.Run("closed by the peer", b.closedByPeer)
			t.Run("closed by the server", b.closedByServer)
		})
	}
}

// bench is a server and what is needed to test a peer on it.
type bench struct {
	mode
	dial  dialer
	addr  string
	ended chan *wsproto.CloseError
}

// listen starts the server: it echoes, and obeys two messages.
func (b *bench) listen(t *testing.T) {
	s := b.server
	s.MaxMessage = maxMessage
	s.Logger = slog.New(slog.DiscardHandler)
	s.HTTP = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "<!doctype html><title>the page that browsers connect from</title>")
	})
	s.Handler = &wsproto.Funcs{
		Message: func(c *wsproto.Conn, op wsproto.Opcode, payload []byte) {
			var code wsproto.Code
			if len(payload) < 200 {
				if string(payload) == "ping me" {
					c.Ping([]byte("are you there?"))
					return
				}
				if n, _ := fmt.Sscanf(string(payload), "close with %d", &code); n == 1 {
					c.Close(code, strings.TrimPrefix(string(payload), fmt.Sprintf("close with %d ", code)))
					return
				}
			}
			if o := c.Send(op, payload); !o.OK() {
				t.Errorf("echo of %d bytes: %v", len(payload), o)
			}
		},
		Pong: func(c *wsproto.Conn, payload []byte) {
			if len(payload) > 0 { // else it answers one of the server's own pings, sent because a message took long
				c.SendText("pong: " + string(payload))
			}
		},
		Close: func(_ *wsproto.Conn, err *wsproto.CloseError) { b.ended <- err },
	}
	b.addr = wstest.Start(t, s).Addr
}

// end waits until the server sees the end of a connection.
func (b *bench) end(t *testing.T) *wsproto.CloseError {
	t.Helper()
	select {
	case err := <-b.ended:
		return err
	case <-time.After(patience):
		t.Fatal("the server did not see the connection end")
		return nil
	}
}

// with runs step with a peer of its own.
func (b *bench) with(t *testing.T, step func(p peer) error) {
	t.Helper()
	p := b.dial(t, b.addr)
	err := step(p)
	p.hangUp()
	b.end(t)
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip("this client cannot do it")
	}
	if err != nil {
		t.Error(err)
	}
}

// extensions checks the response to the offer, and the frames.
func (b *bench) extensions(t *testing.T) {
	repeats := message{wsproto.Text, "the same again, ", 1000}
	size := int64(len(repeats.payload()))
	b.with(t, func(p peer) error {
		if got := p.extensions(); strings.Contains(got, "permessage-deflate") != b.compressed {
			return fmt.Errorf("extensions %q, want compression: %v", got, b.compressed)
		}
		before := b.server.Stats()
		if err := p.roundTrip(repeats, repeats); err != nil {
			return err
		}
		after := b.server.Stats()
		in, out := after.BytesIn-before.BytesIn, after.BytesOut-before.BytesOut
		if b.compressed != (in < size/4) || b.compressed && out >= size/4 {
			return fmt.Errorf("%d bytes were %d from the peer and %d to it; compressed: %v", size, in, out, b.compressed)
		}
		return nil
	})
}

func (b *bench) messages(t *testing.T) {
	b.with(t, func(p peer) error {
		for _, m := range messages {
			if err := p.roundTrip(m, m); err != nil {
				return fmt.Errorf("%v: %w", m, err)
			}
		}
		return nil
	})
}

// fragments cuts within a rune, and sends an empty fragment.
func (b *bench) fragments(t *testing.T) {
	b.with(t, func(p peer) error {
		for _, parts := range [][]message{
			{{wsproto.Text, "κόσμε ", 1000}, {wsproto.Text, "\xce", 1}, {wsproto.Text, "", 1}, {wsproto.Text, "\xba", 1}, {wsproto.Text, "x", 5000}},
			{{wsproto.Binary, "", 1}, {wsproto.Binary, allBytes, 40}, {wsproto.Binary, allBytes, 300}, {wsproto.Binary, "", 1}},
		} {
			if err := p.fragments(parts); err != nil {
				return err
			}
		}
		return p.roundTrip(text("whole"), text("whole"))
	})
}

// join returns the payload of a message in parts.
func join(parts []message) string {
	var b strings.Builder
	for _, m := range parts {
		b.WriteString(m.payload())
	}
	return b.String()
}

func (b *bench) pingedByServer(t *testing.T) {
	b.with(t, func(p peer) error { return p.roundTrip(text("ping me"), text("pong: are you there?")) })
}

func (b *bench) pingedByPeer(t *testing.T) {
	b.with(t, func(p peer) error { return p.ping("anybody?") })
}

func (b *bench) closedByPeer(t *testing.T) {
	for _, tt := range closings {
		p := b.dial(t, b.addr)
		answer, err := p.close(tt.code, tt.reason)
		if err != nil || answer != tt.code && answer != 0 {
			t.Errorf("%d %q: answered with %d, %v", tt.code, tt.reason, answer, err)
		}
		if err := b.end(t); err.Code != tt.code || err.Reason != tt.reason || !err.Remote || err.Err != nil {
			t.Errorf("%d %q: OnClose got %+v", tt.code, tt.reason, err)
		}
		p.hangUp()
	}
}

func (b *bench) closedByServer(t *testing.T) {
	for _, tt := range closings {
		p := b.dial(t, b.addr)
		code, reason, err := p.closed(text(fmt.Sprintf("close with %d %s", tt.code, tt.reason)))
		if err != nil || code != tt.code || reason != tt.reason {
			t.Errorf("%d %q: the peer heard %d %q, %v", tt.code, tt.reason, code, reason, err)
		}
		if err := b.end(t); err.Code != tt.code || err.Reason != tt.reason || err.Remote || err.Err != nil {
			t.Errorf("%d %q: OnClose got %+v", tt.code, tt.reason, err)
		}
		p.hangUp()
	}
}
