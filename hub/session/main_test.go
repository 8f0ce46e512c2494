package session

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/hub/wshub"
	"github.com/fanfare-ws/fanfare/netpoll"
	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
	"github.com/fanfare-ws/fanfare/wsproto"
)

func TestMain(m *testing.M) { netpolltest.Main(m) }

func settles(cond func() bool) bool { return netpolltest.Settles(10*time.Second, cond) }

// server is a hub with an endpoint, on a socket.
type server struct {
	testing.TB
	hub      *hub.Hub
	endpoint *Endpoint
	addr     string
}

const maxPending = 512 << 10

func serve(t testing.TB, ho hub.Options, o Options) *server {
	t.Helper()
	ws := &wsproto.Server{
		Engine: netpoll.Options{MaxPending: maxPending},
		Logger: slog.New(slog.DiscardHandler),
		// A test that has filled a client's backlog may be slow to read it on a busy machine.
		CloseTimeout: time.Minute,
	}
	ho.Workers = wshub.Workers(ws)
	h := hub.New(ho)
	e := New(h, o)
	ws.Accept = e.Accept
	addr, err := ws.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		_ = ws.Shutdown(ctx) // some clients are stalled, or gone
	})
	return &server{t, h, e, addr.String()}
}

// client is a client of the protocol.
type client struct {
	*server
	*websocket.Conn
	hello wire.Hello
}

func (s *server) dial(query string) *client {
	s.Helper()
	c, _, err := websocket.Dial(s.ctx(), "ws://"+s.addr+"/"+query, nil)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = c.CloseNow() })
	c.SetReadLimit(16 << 20)
	all := &client{server: s, Conn: c}
	e := all.event()
	if e.Hello == nil {
		s.Fatalf("%+v, want hello", e)
	}
	all.hello = *e.Hello
	return all
}

func (s *server) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	s.Cleanup(cancel)
	return ctx
}

func (c *client) event() wire.Event {
	c.Helper()
	_, b, err := c.Read(c.ctx())
	if err != nil {
		c.Fatal(err)
	}
	e, err := wire.ParseEvent(b)
	if err != nil {
		c.Fatalf("%s: %v", b, err)
	}
	return e
}

// ask sends a request, and returns the reply, which must arrive next.
func (c *client) ask(r wire.Request) *wire.Reply {
	c.Helper()
	r.ID = 1
	p, err := r.Append(nil)
	if err != nil {
		c.Fatal(err)
	}
	if err := c.Write(c.ctx(), websocket.MessageText, p); err != nil {
		c.Fatal(err)
	}
	e := c.event()
	if e.Reply == nil || e.Reply.ID != 1 {
		c.Fatalf("%+v, want a reply", e)
	}
	return e.Reply
}

func (c *client) gets(r wire.Request) *wire.Result {
	c.Helper()
	reply := c.ask(r)
	if reply.Error != nil {
		c.Fatal(reply.Error)
	}
	return reply.OK
}

// wantsCode sends a request that must fail with a code; "" if it must succeed.
func (c *client) wantsCode(r wire.Request, code string) *wire.Error {
	c.Helper()
	reply := c.ask(r)
	switch {
	case reply.Error == nil && code != "":
		c.Fatalf("%+v: no error, want %s", r, code)
	case reply.Error != nil && reply.Error.Code != code:
		c.Fatalf("%+v: %v, want %q", r, reply.Error, code)
	}
	return reply.Error
}
