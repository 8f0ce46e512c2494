package wsproto

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"
)

// drain calls Drain in the background.
func drain(ctx context.Context, s *Server, window time.Duration) chan error {
	done := make(chan error, 1)
	go func() { done <- s.Drain(ctx, window) }()
	return done
}

// answerClose reads up to the close frame, answers it, and returns its code.
func (p *peer) answerClose() (code Code, err error) {
	for {
		b0, payload, err := readFrame(p.br)
		if err != nil {
			return 0, err
		}
		if b0 == 0x88 {
			_, err = io.WriteString(p.w, masked(0x88, string(payload)))
			return Code(binary.BigEndian.Uint16(payload)), err
		}
	}
}

// TestDrain: each connection is closed with 1012, in an order that is not theirs.
func TestDrain(t *testing.T) {
	for _, secure := range []bool{false, true} {
		const conns = 200
		s := &Server{Handler: echo(t)}
		var open func() *peer
		if secure {
			addr, config := listenTLS(t, s)
			open = func() *peer { return dialTLS(t, addr, config).upgrade().peer }
		} else {
			addr := listen(t, s)
			open = func() *peer { return dialPeer(t, addr) }
		}
		ended := make(chan int, conns)
		for i := range conns {
			p := open()
			go func() {
				if code, err := p.answerClose(); code != ServiceRestart || err != nil {
					t.Errorf("closed with %d, %v", code, err)
				}
				p.nc.Close()
				ended <- i
			}()
		}
		begin := time.Now()
		done := drain(t.Context(), s, 300*time.Millisecond)
		ordered, last := 0, -1
		for range conns {
			i := next(t, ended)
			if i > last {
				ordered++
			}
			last = i
		}
		if err := next(t, done); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took < 250*time.Millisecond {
			t.Errorf("all were closed after %v", took)
		}
		if ordered > conns*3/4 {
			t.Errorf("%d of %d connections were closed after one that is older", ordered, conns)
		}
		if st := s.Stats(); st.Closes[ServiceRestart] != conns || st.Open != 0 {
			t.Errorf("%+v", st)
		}
	}
}

// TestDueEvenly: at each moment as many connections are closed as the window has passed.
func TestDueEvenly(t *testing.T) {
	for _, n := range []int{1, 2, 10, 18_000} {
		for range 100 {
			offset, window, last := rand.Float64(), 8*time.Second, 0
			for at := time.Duration(0); at <= window; at += drainStep {
				got, share := closedBy(n, at, window, offset), float64(n)*float64(at)/float64(window)
				if got < last || float64(got) > share+1 || float64(got) < share-1 {
					t.Fatalf("%d of %d after %v", got, n, at)
				}
				last = got
			}
			if last != n {
				t.Fatalf("%d of %d at the end", last, n)
			}
		}
	}
	if closedBy(5, 0, 0, 0) != 5 {
		t.Error("without a window not all are closed at once")
	}
}

// TestDrainFlushes: what was sent before comes first, also if the peer takes its time.
func TestDrainFlushes(t *testing.T) {
	const size, count = 64 << 10, 40
	s := &Server{Handler: &Funcs{Message: func(c *Conn, _ Opcode, _ []byte) {
		for range count {
			if o := c.SendText(letters(size)); !o.OK() {
				t.Errorf("sending is %v", o)
			}
		}
		c.SendText("last")
	}}}
	s.Engine.NotSentLowat = 4 << 10
	p := dialPeer(t, listen(t, s))
	p.send(text("go"))
	p.expect(Text, letters(size))
	eventually(t, "all was sent", func() bool { return s.Stats().MessagesOut == count+1 })
	done := drain(t.Context(), s, 0)
	<-s.closed
	for range count - 1 {
		p.expect(Text, letters(size))
	}
	p.expect(Text, "last")
	p.expectClose(ServiceRestart)
	p.nc.Close()
	if err := next(t, done); err != nil {
		t.Error(err)
	}
}

// TestDrainHTTP: a request under way is finished, idle connections end, and new requests and
// handshakes are told to come back.
func TestDrainHTTP(t *testing.T) {
	begun, release := make(chan bool), make(chan bool)
	site := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			begun <- true
			<-release
		}
		_, _ = io.WriteString(w, "done")
	})
	s := &Server{Handler: echo(t), HTTP: site}
	addr := listen(t, s)
	idle, slow, early, late := dialTCP(t, addr), dialTCP(t, addr), dialTCP(t, addr), dialTCP(t, addr)
	idle.get("/", "done")
	slow.send(request("GET /slow HTTP/1.1", "Host: example.test"))
	next(t, begun)
	open := dialPeer(t, addr)
	early.send("GET / HTTP/1.1\r\n")
	eventually(t, "all are there", func() bool { st := s.Stats(); return st.Open+st.Detached == 5 })
	done := drain(t.Context(), s, time.Hour)
	idle.expectEOF()
	early.send("Host: example.test\r\n\r\n")
	early.retryAfterOf(http.StatusServiceUnavailable)
	late.send(goodRequest("/"))
	late.retryAfterOf(http.StatusServiceUnavailable)
	open.expectEcho("still open")
	if _, err := s.Listen("127.0.0.1:0"); !errors.Is(err, ErrServerClosed) {
		t.Errorf("Listen: %v", err)
	}
	release <- true
	resp, err := http.ReadResponse(bufio.NewReader(slow.nc), nil)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(resp.Body); string(b) != "done" || err != nil || !resp.Close {
		t.Errorf("%q, %v, %v", b, err, resp.Header)
	}
	early.nc.Close()
	late.nc.Close()
	go shutdown(t, s)
	if code, err := open.answerClose(); code != GoingAway || err != nil {
		t.Errorf("Shutdown closes with %d, %v", code, err)
	}
	open.nc.Close()
	if err := next(t, done); err != nil {
		t.Error(err)
	}
	if st := s.Stats(); st.Limited.Closing != 2 {
		t.Errorf("%+v", st.Limited)
	}
}

// TestDrainCut: when the context is done the rest is cut, and those who do not answer are not waited for.
func TestDrainCut(t *testing.T) {
	s := &Server{Handler: echo(t)}
	addr := listen(t, s)
	var peers []*peer
	for range 20 {
		peers = append(peers, dialPeer(t, addr))
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := drain(ctx, s, time.Hour)
	<-s.closed
	cancel()
	if err := next(t, done); !errors.Is(err, context.Canceled) {
		t.Errorf("Drain: %v", err)
	}
	for _, p := range peers {
		for {
			if _, _, err := readFrame(p.br); err != nil {
				break
			}
		}
	}
	if st := s.Stats(); st.WebSockets != 0 {
		t.Errorf("%d are open", st.WebSockets)
	}
}

// TestDrainUndecided: a handshake that is decided about when the window ends is cut, and one that is admitted
// before is served until then.
func TestDrainUndecided(t *testing.T) {
	s, asked := asking(echo(t))
	addr := listen(t, s)
	ask(t, addr, "/")
	q := next(t, asked)
	p := ask(t, addr, "/")
	admitted := next(t, asked)
	open := ask(t, addr, "/")
	next(t, asked).done(nil)
	open.response(http.StatusSwitchingProtocols)
	ctx, cancel := context.WithCancel(t.Context())
	done := drain(ctx, s, time.Hour)
	<-s.closed
	admitted.done(nil)
	p.response(http.StatusSwitchingProtocols)
	p.expectEcho("hello")
	cancel()
	next(t, q.ctx.Done())
	if err := next(t, done); !errors.Is(err, context.Canceled) {
		t.Errorf("Drain: %v", err)
	}
}

// TestDrainNothing: a server that never ran, and one without connections, have nothing to wait for.
func TestDrainNothing(t *testing.T) {
	if err := (&Server{MaxHeader: -1}).Drain(t.Context(), time.Hour); err != nil {
		t.Error(err)
	}
	s := &Server{}
	listen(t, s)
	if err := s.Drain(t.Context(), time.Hour); err != nil {
		t.Error(err)
	}
	if err := s.Wait(); !errors.Is(err, ErrServerClosed) {
		t.Errorf("Wait: %v", err)
	}
}

// last is a handler that sends what it holds back before its connection ends.
type last struct {
	*Funcs
	drained chan *Conn
}

func (l *last) OnDrain(c *Conn) {
	select {
	case l.drained <- c:
	default: // it has been told before
	}
}

// A handler may end its connections itself; Drain waits for that.
func TestDrainHandler(t *testing.T) {
	h := &last{echo(t), make(chan *Conn, 1)}
	s := &Server{Handler: h}
	p := dialPeer(t, listen(t, s))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	done := drain(ctx, s, 0)
	c := next(t, h.drained)
	c.SendText("last")
	c.Close(ServiceRestart, "")
	p.expect(Text, "last")
	if code, err := p.answerClose(); code != ServiceRestart || err != nil {
		t.Errorf("closed with %d, %v", code, err)
	}
	p.nc.Close()
	if err := next(t, done); err != nil {
		t.Error(err)
	}
}

// unwilling is a handler whose OnDrain should not be called.
type unwilling struct {
	*Funcs
	onDrain func()
}

func (u *unwilling) OnDrain(*Conn) { u.onDrain() }

// OnDrain is not called for connections that have gone or left, and Drain does not wait longer than for the last of them.
func TestDrainGone(t *testing.T) {
	conns := make(chan *Conn, 2)
	h := &unwilling{echo(t), func() { t.Error("OnDrain was called") }}
	h.Open = func(c *Conn, _ *Request) { conns <- c }
	s := &Server{Handler: h}
	addr := listen(t, s)
	gone, leaves := dialPeer(t, addr), dialPeer(t, addr)
	gone.expectEcho("open")
	leaves.expectEcho("open")
	all := s.openConns()
	done := drain(t.Context(), s, time.Hour)
	<-s.closed
	gone.reset()
	eventually(t, "one has gone", func() bool { return s.Stats().WebSockets == 1 })
	for range 2 {
		next(t, conns).Leave(func(state *ConnState, err error) {
			if err == nil {
				state.Close()
			}
		})
	}
	if err := next(t, done); err != nil {
		t.Error(err)
	}
	for _, c := range all {
		c.goodbye()
	}
}

// While OnOpen runs a connection is closed without OnDrain, which may rely on what OnOpen does.
func TestDrainDuringOnOpen(t *testing.T) {
	release := make(chan bool)
	h := &unwilling{echo(t), func() { t.Error("OnDrain was called") }}
	h.Open = func(*Conn, *Request) { <-release }
	s := &Server{Handler: h}
	p := dialPeer(t, listen(t, s))
	done := drain(t.Context(), s, 0)
	code, err := p.answerClose()
	close(release)
	if code != ServiceRestart || err != nil {
		t.Errorf("closed with %d, %v", code, err)
	}
	p.nc.Close()
	if err := next(t, done); err != nil {
		t.Error(err)
	}
}

// A panic in OnDrain closes the connection, like those in other methods.
func TestDrainPanics(t *testing.T) {
	s := &Server{Handler: &unwilling{echo(t), func() { panic("on purpose") }}, Logger: quiet}
	p := dialPeer(t, listen(t, s))
	p.expectEcho("open")
	done := drain(t.Context(), s, 0)
	if code, err := p.answerClose(); code != InternalError || err != nil {
		t.Errorf("closed with %d, %v", code, err)
	}
	p.nc.Close()
	if err := next(t, done); err != nil {
		t.Error(err)
	}
}
