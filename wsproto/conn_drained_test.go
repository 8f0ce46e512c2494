package wsproto

import (
	"strings"
	"testing"
)

// Who broadcasts need not import netpoll, nor use its types, to be told.
var _ interface {
	Pending() int
	WhenDrained(interface{ Schedule() })
} = (*Conn)(nil)

// drainWatch is told, on a worker, when its connection has no backlog any more.
type drainWatch struct {
	conn    *Conn
	task    Task
	pending chan int
}

func (d *drainWatch) Run() { d.pending <- d.conn.Pending() }

func watchDrain(t *testing.T, s *Server, c *Conn) *drainWatch {
	t.Helper()
	d := &drainWatch{conn: c, pending: make(chan int, 10)}
	if err := s.InitTask(&d.task, c.Loop(), d); err != nil {
		t.Fatal(err)
	}
	return d
}

// A sender that stops at the first message that is queued, and goes on when it is
// told, gets on with a slow client; one whose connection is closed is told, too.
func TestWhenDrained(t *testing.T) {
	opened := make(chan *Conn, 1)
	s := &Server{Handler: &Funcs{Open: func(c *Conn, _ *Request) { opened <- c }}}
	p := dialPeer(t, listen(t, s))
	c := next(t, opened)
	d := watchDrain(t, s, c)
	payload := strings.Repeat("0123456789abcdef", 2<<10)
	prepared := Prepare(Text, []byte(payload))
	for range 3 {
		sent := 1
		for c.SendPrepared(prepared) == Sent {
			sent++
		}
		c.WhenDrained(&d.task)
		if n := c.Pending(); n == 0 || len(d.pending) > 0 {
			t.Fatalf("%d bytes are pending, and %d runs", n, len(d.pending))
		}
		for range sent {
			p.expect(Text, payload)
		}
		if n := next(t, d.pending); n != 0 {
			t.Errorf("told with %d bytes pending", n)
		}
	}
	for c.SendPrepared(prepared) == Sent {
	}
	c.WhenDrained(&d.task)
	c.Close(NormalClosure, "")
	next(t, d.pending)
	c.WhenDrained(&d.task)
	next(t, d.pending)
	p.nc.Close()
}

// What waits behind a Writer is a backlog until the last fragment has left.
func TestWhenDrainedBehindWriter(t *testing.T) {
	opened := make(chan *Conn, 1)
	s := &Server{Handler: &Funcs{Open: func(c *Conn, _ *Request) { opened <- c }}}
	p := dialPeer(t, listen(t, s))
	c := next(t, opened)
	d := watchDrain(t, s, c)
	w, err := c.NewWriter(Binary)
	if err != nil {
		t.Fatal(err)
	}
	if o := c.SendText("behind"); o != Queued {
		t.Fatal(o)
	}
	c.WhenDrained(&d.task)
	if n := c.Pending(); n == 0 || len(d.pending) > 0 {
		t.Fatalf("%d bytes are pending, and %d runs", n, len(d.pending))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if n := next(t, d.pending); n != 0 {
		t.Errorf("told with %d bytes pending", n)
	}
	p.expect(Binary, "")
	p.expect(Text, "behind")
}
