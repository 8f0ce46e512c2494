package wstest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/wsproto"
)

// Conn is an end of a connection that a test reads from. What it receives is kept until
// the test asks for it. Its methods fail the test instead of returning an error; those
// that receive are for one goroutine at a time. The connection is closed when the test
// ends.
type Conn struct {
	*wsproto.Conn
	t testing.TB
	r *recorder
}

// Message is a message that a [Conn] has received.
type Message struct {
	Op      wsproto.Opcode
	Payload string
}

func (m Message) String() string {
	const most = 100
	if len(m.Payload) > most {
		return fmt.Sprintf("message of type %d, %d bytes: %q...", m.Op, len(m.Payload), m.Payload[:most])
	}
	return fmt.Sprintf("message of type %d: %q", m.Op, m.Payload)
}

// Dial opens a connection with k.
func Dial(t testing.TB, k *wsproto.Client, url string) *Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Timeout)
	defer cancel()
	r := newRecorder()
	c, err := k.Dial(ctx, url, r)
	if err != nil {
		t.Fatal(err)
	}
	return newConn(t, c, r)
}

// Pair returns both ends of a new connection.
func Pair(t testing.TB) (server, client *Conn) {
	t.Helper()
	opened := make(chan *Conn, 1)
	s := Start(t, &wsproto.Server{NewHandler: func(*wsproto.Request) wsproto.Handler {
		r := newRecorder()
		r.open = func(c *wsproto.Conn) { opened <- newConn(t, c, r) }
		return r
	}})
	client = s.Dial(t, "/")
	return <-opened, client
}

func newConn(t testing.TB, c *wsproto.Conn, r *recorder) *Conn {
	t.Cleanup(func() {
		c.Close(wsproto.NormalClosure, "")
		select {
		case <-r.closed:
		case <-time.After(Timeout):
			t.Errorf("a connection was not closed within %v", Timeout)
		}
	})
	return &Conn{Conn: c, t: t, r: r}
}

// Receive returns the next message.
func (c *Conn) Receive() Message {
	c.t.Helper()
	deadline := time.After(Timeout)
	for {
		if m, ok := c.r.take(); ok {
			return m
		}
		select {
		case <-c.r.more:
		case <-c.r.closed:
			if m, ok := c.r.take(); ok {
				return m
			}
			c.t.Fatalf("instead of a message: %v", c.r.err)
		case <-deadline:
			c.t.Fatalf("no message came within %v", Timeout)
		}
	}
}

// Expect receives a message and compares it.
func (c *Conn) Expect(op wsproto.Opcode, payload string) {
	c.t.Helper()
	if got, want := c.Receive(), (Message{op, payload}); got != want {
		c.t.Fatalf("got %v, want %v", got, want)
	}
}

// ExpectText is Expect for a text message.
func (c *Conn) ExpectText(s string) {
	c.t.Helper()
	c.Expect(wsproto.Text, s)
}

// ExpectClose waits for the end of the connection and compares its code. It fails if a
// message comes before.
func (c *Conn) ExpectClose(code wsproto.Code) *wsproto.CloseError {
	c.t.Helper()
	select {
	case <-c.r.closed:
	case <-time.After(Timeout):
		c.t.Fatalf("the connection was not closed within %v", Timeout)
	}
	if m, ok := c.r.take(); ok {
		c.t.Fatalf("got %v, want the end of the connection", m)
	}
	if c.r.err.Code != code {
		c.t.Fatalf("%v; want code %d", c.r.err, code)
	}
	return c.r.err
}

// recorder is a handler that keeps what its connection receives.
type recorder struct {
	open   func(*wsproto.Conn)
	more   chan struct{} // has a token if there may be messages
	closed chan struct{}
	err    *wsproto.CloseError // once closed

	mu       sync.Mutex
	messages []Message
}

func newRecorder() *recorder {
	return &recorder{more: make(chan struct{}, 1), closed: make(chan struct{})}
}

func (r *recorder) take() (m Message, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.messages) == 0 {
		return m, false
	}
	m, r.messages = r.messages[0], r.messages[1:]
	return m, true
}

// OnOpen implements wsproto.Handler.
func (r *recorder) OnOpen(c *wsproto.Conn, _ *wsproto.Request) {
	if r.open != nil {
		r.open(c)
	}
}

// OnMessage implements wsproto.Handler.
func (r *recorder) OnMessage(_ *wsproto.Conn, op wsproto.Opcode, payload []byte) {
	r.mu.Lock()
	r.messages = append(r.messages, Message{op, string(payload)})
	r.mu.Unlock()
	select {
	case r.more <- struct{}{}:
	default:
	}
}

// OnClose implements wsproto.Handler.
func (r *recorder) OnClose(_ *wsproto.Conn, err *wsproto.CloseError) {
	r.err = err
	close(r.closed)
}
