package wsproto

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// mover moves connections of one server to another and back.
type mover struct {
	testing.TB
	servers [2]*Server
	at      int
	conn    *Conn
	next    [2]Handler
	opened  chan *Conn
	closed  chan *CloseError
	send    func(string) // by the peer
	*peer
}

// newMover starts two servers and opens a connection to the first. Handlers echo.
func newMover(t testing.TB, secure bool, change func(*Server)) *mover {
	m := &mover{TB: t, opened: make(chan *Conn, 1), closed: make(chan *CloseError, 1)}
	for i := range m.servers {
		h := echo(t)
		h.Open = func(c *Conn, _ *Request) { m.opened <- c }
		h.Close = func(_ *Conn, err *CloseError) { m.closed <- err }
		s := &Server{Handler: h, Subprotocols: []string{"chat"}, PingInterval: -1}
		if change != nil {
			change(s)
		}
		m.servers[i], m.next[i] = s, s.Handler
	}
	listen(t, m.servers[1])
	if secure {
		addr, config := listenTLS(t, m.servers[0])
		p := dialTLS(t, addr, config)
		m.peer, m.send = p.peer, p.send
	} else {
		m.peer = dialTCP(t, listen(t, m.servers[0]))
		m.send = m.peer.send
	}
	return m
}

// open shakes hands as a peer.
func (m *mover) open(lines ...string) *mover {
	m.send(with(lines...))
	m.response(101)
	m.conn = next(m.TB, m.opened)
	return m
}

// sync sends more after a ping, and returns when the first server has read both.
func (m *mover) sync(more string) {
	m.peer.Helper()
	m.send(ping("sync") + more)
	m.expect(Pong, "sync")
}

// leave takes the connection out.
func (m *mover) leave() (*ConnState, error) {
	type result struct {
		state *ConnState
		err   error
	}
	left := make(chan result, 1)
	m.conn.Leave(func(s *ConnState, err error) { left <- result{s, err} })
	r := next(m.TB, left)
	return r.state, r.err
}

// move moves the connection to the other server.
func (m *mover) move() {
	m.peer.Helper()
	state, err := m.leave()
	if err != nil {
		m.TB.Fatal(err)
	}
	if o := m.conn.SendText("too late"); o != Closed {
		m.TB.Errorf("a connection that has left: %v", o)
	}
	m.at ^= 1
	if m.conn, err = m.servers[m.at].Enter(state, m.next[m.at]); err != nil {
		m.TB.Fatal(err)
	}
}

// Connections are taken out of a server in every state and put into another one: nothing is
// lost, duplicated or reordered.
func TestMove(t *testing.T) {
	type way struct{ before, after, want string }
	long := greek(200_000)
	cutAt := func(frames string, n int, want string) way { return way{frames[:n], frames[n:], want} }
	fragments := masked(0x01, long[:70_001]) + masked(0x00, long[70_001:90_000])
	ways := map[string]way{
		"idle":                {"", text("x"), "x"},
		"in a frame's header": cutAt(text("x"), 1, "x"),
		"before the mask":     cutAt(text(letters(300)), 6, letters(300)),
		"in a frame":          cutAt(text(letters(1000)), 500, letters(1000)),
		"in a large frame":    cutAt(text(long), 100_001, long),
		"in a message":        {fragments, masked(0x80, long[90_000:]), long},
		"in a fragment":       cutAt(fragments+masked(0x80, long[90_000:]), 100_001, long),
	}
	for name, w := range ways {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, tls=%v", name, secure), func(t *testing.T) {
				m := newMover(t, secure, nil).open("Sec-WebSocket-Protocol: chat")
				m.conn.SetValue(7)
				m.conn.SetTag(77)
				m.sync(w.before)
				m.move()
				m.send(w.after + text("next"))
				m.expect(Text, w.want)
				m.expect(Text, "next")
				if m.conn.Value() != 7 || m.conn.Tag() != 77 || m.conn.Subprotocol() != "chat" {
					t.Errorf("value %v, tag %d, subprotocol %q", m.conn.Value(), m.conn.Tag(), m.conn.Subprotocol())
				}
				m.move() // and back
				m.send(text("last") + closing(GoingAway, "done"))
				m.expect(Text, "last")
				m.expectClose(GoingAway)
				m.nc.Close()
				if err := next(t, m.closed); err.Code != GoingAway || !err.Remote {
					t.Error(err)
				}
				for i, s := range m.servers {
					eventually(t, "nothing is held", func() bool { st := s.Stats(); return st.Held == 0 && st.Open == 0 })
					if st := s.Stats(); st.WebSockets != 0 || len(st.Closes) != 1-i {
						t.Errorf("server %d: %+v", i, st)
					}
				}
			})
		}
	}
}

// A message in progress counts as held where it is.
func TestMoveHeld(t *testing.T) {
	m := newMover(t, false, nil).open()
	frame := text(letters(200_000))
	m.sync(frame[:100_000])
	eventually(t, "half of it is there", func() bool { return m.servers[0].Stats().Held >= 100_000-200 })
	m.move()
	eventually(t, "it has moved", func() bool {
		return m.servers[0].Stats().Held == 0 && m.servers[1].Stats().Held >= 100_000-200
	})
	m.send(frame[100_000:])
	m.expect(Text, letters(200_000))
	eventually(t, "nothing is held", func() bool { return m.servers[1].Stats().Held == 0 })
}

// What is pending goes with the connection, before what the other server sends.
func TestMovePending(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprintf("tls=%v", secure), func(t *testing.T) {
			m := newMover(t, secure, func(s *Server) { s.Engine.MaxPending = 16 << 20 }).open()
			const each = 64
			payload := letters(50_000)
			for n := range 3 * each {
				if n > 0 && n%each == 0 {
					if m.conn.Pending() == 0 {
						t.Fatal("nothing is pending")
					}
					m.move()
				}
				if o := m.conn.SendText(fmt.Sprint(n, " ", payload)); !o.OK() {
					t.Fatalf("message %d: %v", n, o)
				}
			}
			for n := range 3 * each {
				m.expect(Text, fmt.Sprint(n, " ", payload))
			}
			m.send(text("done"))
			m.expect(Text, "done")
		})
	}
}

// The windows of both directions move: messages after the move can refer to messages before
// it.
func TestMoveCompressed(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprintf("tls=%v", secure), func(t *testing.T) {
			m := newMover(t, secure, func(s *Server) { s.Compression = &Compression{Takeover: true} })
			got := make(chan string, 10)
			k := &Client{Compression: &Compression{Takeover: true}}
			url := "ws://" + m.nc.RemoteAddr().String()
			if secure {
				url = "wss" + strings.TrimPrefix(url, "ws")
				k.TLSConfig = &tls.Config{InsecureSkipVerify: true}
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			c, err := k.Dial(ctx, url, &Funcs{Message: func(_ *Conn, _ Opcode, p []byte) { got <- string(p) }})
			if err != nil {
				t.Fatal(err)
			}
			m.conn = next(t, m.opened)
			random := noise(8000)
			for i := range 4 {
				before := m.servers[m.at].Stats()
				if o := c.SendBinary([]byte(random)); !o.OK() {
					t.Fatal(o)
				}
				if next(t, got) != random {
					t.Fatalf("message %d is not what was sent", i)
				}
				if after := m.servers[m.at].Stats(); i > 0 && (after.BytesIn-before.BytesIn > 1000 || after.BytesOut-before.BytesOut > 1000) {
					t.Errorf("message %d took %d bytes there and %d back", i, after.BytesIn-before.BytesIn, after.BytesOut-before.BytesOut)
				}
				m.move()
			}
			c.Close(NormalClosure, "")
			next(t, m.closed)
		})
	}
}

// Traffic in both directions goes on while a connection moves to and fro.
func TestMoveTraffic(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprintf("tls=%v", secure), func(t *testing.T) {
			const moves, down = 30, 3000
			m := newMover(t, secure, nil).open()
			var current atomic.Pointer[Conn]
			current.Store(m.conn)
			sent := make(chan bool)
			go func() { // the server's own messages
				defer close(sent)
				for n := 0; n < down; {
					switch current.Load().SendBinary(fmt.Appendf(nil, "%d", n)) {
					case Sent, Queued:
						n++
					default: // it has left, or is full
						time.Sleep(10 * time.Microsecond)
					}
				}
			}()
			stop, up := make(chan bool), make(chan int)
			ahead := make(chan bool, 500) // messages without an echo; more would only make turns longer
			go func() {
				n := 0
				for ; ; n++ {
					select {
					case <-stop:
						up <- n
						return
					case ahead <- true:
						m.send(text(fmt.Sprint("up ", n)))
					}
				}
			}()
			echoed, told := 0, 0
			total := -1
			moved := make(chan bool)
			go func() {
				defer close(moved)
				for range moves {
					m.move()
					current.Store(m.conn)
				}
				<-sent
			}()
			for total < 0 || echoed < total || told < down {
				if total < 0 {
					select {
					case <-moved:
						close(stop)
						total = <-up
						continue
					default:
					}
				}
				switch b0, got := m.frame(); {
				case b0 == 0x81 && string(got) == fmt.Sprint("up ", echoed):
					echoed++
					<-ahead
				case b0 == 0x82 && string(got) == fmt.Sprint(told):
					told++
				default:
					t.Fatalf("got %#x %q, want echo %d or message %d", b0, got, echoed, told)
				}
			}
		})
	}
}

// A connection on which a message is written or read in pieces stays, and can leave
// afterwards.
func TestMoveBusy(t *testing.T) {
	release := make(chan bool)
	m := newMover(t, false, func(s *Server) {
		h := s.Handler.(*Funcs)
		h.Stream = func(c *Conn, _ Opcode, r io.Reader) error {
			<-release
			_, err := io.Copy(io.Discard, r)
			c.SendText("read")
			return err
		}
		s.StreamAbove = 1000
	}).open()
	w, err := m.conn.NewWriter(Text)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.leave(); err != ErrBusy {
		t.Errorf("with a Writer: %v", err)
	}
	_, _ = io.WriteString(w, "written")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	m.expect(Text, "written")
	large := text(letters(2000))
	m.sync(large[:1500])
	if _, err := m.leave(); err != ErrBusy {
		t.Errorf("with OnStream: %v", err)
	}
	release <- true
	m.send(large[1500:] + text("more"))
	m.expect(Text, "read")
	m.expect(Text, "more")
	eventually(t, "OnStream has returned", func() bool { return m.conn.streaming() == nil })
	m.move()
	m.send(text("x"))
	m.expect(Text, "x")
}

// A stream that begins between the call of Leave and the end of the turn keeps the
// connection where it is.
func TestMoveStreamBegins(t *testing.T) {
	left, release := make(chan error, 1), make(chan bool)
	m := newMover(t, false, func(s *Server) {
		h := s.Handler.(*Funcs)
		h.Message = func(c *Conn, op Opcode, p []byte) {
			if string(p) == "leave" {
				c.Leave(func(_ *ConnState, err error) { left <- err })
				return
			}
			c.Send(op, p)
		}
		h.Stream = func(c *Conn, _ Opcode, r io.Reader) error {
			<-release // a stream that has ended keeps nothing: not before Leave is answered
			_, err := io.Copy(io.Discard, r)
			c.SendText("read")
			return err
		}
		s.StreamAbove = 1000
	}).open()
	m.send(text("leave") + text(letters(2000)) + text("x"))
	if err := next(t, left); err != ErrBusy {
		t.Error(err)
	}
	release <- true
	m.expect(Text, "read")
	m.expect(Text, "x")
	m.move()
	m.send(text("y"))
	m.expect(Text, "y")
}

// A stream that is at work keeps the connection where it is, also if a Writer that was open
// when it began is closed before the end of the turn.
func TestMoveStreamAfterWriter(t *testing.T) {
	left, release := make(chan error, 1), make(chan bool)
	var w *Writer // the turn's
	m := newMover(t, false, func(s *Server) {
		h := s.Handler.(*Funcs)
		h.Message = func(c *Conn, op Opcode, p []byte) {
			if string(p) != "leave" {
				c.Send(op, p)
				return
			}
			w, _ = c.NewWriter(Text)
			c.Leave(func(_ *ConnState, err error) { left <- err })
		}
		h.Ping = func(*Conn, []byte) {
			if w != nil {
				_ = w.Close()
			}
		}
		h.Stream = func(_ *Conn, _ Opcode, r io.Reader) error {
			<-release
			_, err := io.Copy(io.Discard, r)
			return err
		}
		s.StreamAbove = 1000
	}).open()
	m.send(text("leave") + text(letters(2000)) + ping("p"))
	if err := next(t, left); err != ErrBusy {
		t.Error(err)
	}
	release <- true
	m.expect(Pong, "p")
	m.expect(Text, "")
	m.send(text("x"))
	m.expect(Text, "x")
}

// A Resume, or a Close, that races with Leave sets its flag only: the connection is not held
// for ever where it enters, and it is closed.
func TestMoveRaces(t *testing.T) {
	m := newMover(t, false, func(s *Server) {
		s.Handler.(*Funcs).Message = func(c *Conn, op Opcode, p []byte) {
			c.Send(op, p)
			if string(p) == "a" {
				c.Hold()
			}
		}
	}).open()
	enter := func(change func(*ConnState)) {
		t.Helper()
		state, err := m.leave()
		if err != nil {
			t.Fatal(err)
		}
		change(state)
		m.at ^= 1
		if m.conn, err = m.servers[m.at].Enter(state, m.next[m.at]); err != nil {
			t.Fatal(err)
		}
	}
	m.send(text("a") + text("b"))
	m.expect(Text, "a")
	enter(func(s *ConnState) { s.flags &^= flagHeld })
	m.expect(Text, "b")
	enter(func(s *ConnState) { s.flags |= flagClosed })
	m.expectClose(NoStatusReceived)
	m.nc.Close()
	next(t, m.closed)
}

// Shutdown also closes a connection that enters after it has looked at all connections.
func TestMoveIntoShutdown(t *testing.T) {
	m := newMover(t, false, func(s *Server) { s.Engine.Workers, s.Engine.Loops = 1, 1 }).open()
	state, err := m.leave()
	if err != nil {
		t.Fatal(err)
	}
	s, busy, release := m.servers[1], make(chan bool), make(chan bool)
	task, err := s.NewTask(0, func() { busy <- true; <-release })
	if err != nil {
		t.Fatal(err)
	}
	task.Schedule() // so that no turn begins
	<-busy
	if _, err := s.Enter(state, m.next[1]); err != nil {
		t.Fatal(err)
	}
	s.beginShutdown()
	close(release)
	m.expectClose(GoingAway)
	m.nc.Close()
	next(t, m.closed)
}

// The timeouts are those of the server that is entered, also if the other had none. A late
// call for the connection that has left does not change them.
func TestMoveTimeouts(t *testing.T) {
	pings := time.Duration(-1) // of the first server
	m := newMover(t, false, func(s *Server) {
		s.PingInterval, pings = pings, 40*time.Millisecond
		s.Engine.Sweep = 5 * time.Millisecond
	}).open()
	m.move()
	m.expect(Ping, "")

	m = newMover(t, false, nil).open()
	at := time.Now().Add(time.Hour)
	m.conn.SetReadDeadline(at)
	old := m.conn
	m.move()
	old.SetReadDeadline(time.Now())
	if got := m.conn.extra.Load().deadlines.read; !got.Equal(at) {
		t.Errorf("the read deadline is %v, want %v", got, at)
	}
}

// A read deadline and a Hold last.
func TestMoveDeadlineAndHold(t *testing.T) {
	m := newMover(t, false, func(s *Server) { s.Engine.Sweep = 10 * time.Millisecond }).open()
	m.conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	m.move()
	m.expectClose(PolicyViolation)
	m.nc.Close()
	if err := next(t, m.closed); !errors.Is(err, ErrReadDeadline) {
		t.Error(err)
	}

	m = newMover(t, false, func(s *Server) {
		s.Handler.(*Funcs).Message = func(c *Conn, op Opcode, p []byte) {
			c.Send(op, p)
			c.Hold()
		}
	}).open()
	m.send(text("a") + text("b"))
	m.expect(Text, "a")
	m.move()
	m.conn.SendText("between")
	m.expect(Text, "between")
	m.conn.Resume()
	m.expect(Text, "b")
}

// What cannot leave, or enter.
func TestMoveErrors(t *testing.T) {
	m := newMover(t, false, func(s *Server) { s.Compression = new(Compression) }).open("Sec-WebSocket-Extensions: " + deflateName)
	state, err := m.leave()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.leave(); !errors.Is(err, netpoll.ErrClosed) {
		t.Errorf("a second time: %v", err)
	}
	plain, down := &Server{Logger: quiet}, &Server{Logger: quiet, Compression: new(Compression)}
	shutdown(t, down)
	if _, err := plain.Enter(state, m.next[0]); err == nil || !strings.Contains(err.Error(), "Compression") {
		t.Errorf("without Compression: %v", err)
	}
	shutdown(t, plain)
	if _, err := down.Enter(state, m.next[0]); err != ErrServerClosed {
		t.Errorf("after Shutdown: %v", err)
	}
	if _, err := m.servers[1].Enter(state, m.next[1]); err != nil {
		t.Fatal(err)
	}
	if _, err := m.servers[0].Enter(state, m.next[0]); !errors.Is(err, netpoll.ErrClosed) {
		t.Errorf("a second time: %v", err)
	}
	m.send(text("x"))
	m.expect(Text, "x")

	m = newMover(t, false, nil).open()
	if state, err = m.leave(); err != nil {
		t.Fatal(err)
	}
	state.Close()
	m.expectEOF()
	if st := m.servers[0].Stats(); st.WebSockets != 0 || st.Open != 0 || st.Detached != 0 {
		t.Errorf("%+v", st)
	}
	var got error
	c := &Conn{endpoint: m.servers[0].endpoint}
	c.Leave(func(_ *ConnState, err error) { got = err })
	if !errors.Is(got, netpoll.ErrClosed) {
		t.Errorf("before the handshake: %v", got)
	}
}
