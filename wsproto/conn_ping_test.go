package wsproto

import (
	"errors"
	"io"
	"testing"
	"time"
)

// TestPingByPeer has pings answered with their payload, also while a message is
// under way.
func TestPingByPeer(t *testing.T) {
	p := dialPeer(t, listen(t, &Server{Handler: echo(t)}))
	for _, s := range []string{"", "x", letters(125), "\xff\x00"} {
		p.send(ping(s))
		p.expect(Pong, s)
	}
	p.send(masked(0x01, "a") + ping("between"))
	p.expect(Pong, "between")
	p.send(pong("nobody asked") + masked(0x80, "b"))
	p.expect(Text, "ab")
}

// TestPingByServer pings by hand.
func TestPingByServer(t *testing.T) {
	h := &Funcs{Open: func(c *Conn, _ *Request) {
		c.Ping(nil)
		c.Ping([]byte("hi"))
		if o := c.Ping([]byte(letters(130))); !o.OK() {
			t.Error(o)
		}
	}}
	p := dialPeer(t, listen(t, &Server{Handler: h}))
	p.expect(Ping, "")
	p.expect(Ping, "hi")
	p.expect(Ping, letters(125))
}

// TestPingSilent has a peer that does not answer: it is given up.
func TestPingSilent(t *testing.T) {
	h, ended := closes(echo(t))
	s := &Server{Handler: h, PingInterval: 30 * time.Millisecond, PongTimeout: 30 * time.Millisecond, Engine: brisk}
	p := dialPeer(t, listen(t, s))
	p.expect(Ping, "")
	if err := next(t, ended); err.Code != AbnormalClosure || !errors.Is(err, ErrPongTimeout) {
		t.Errorf("OnClose got %+v", err)
	}
	if st := s.Stats(); st.Pings != 1 || st.Abnormal != (AbnormalStats{PongTimeout: 1}) || st.Closes[AbnormalClosure] != 1 {
		t.Errorf("%+v", st)
	}
	if b, err := io.ReadAll(p.br); len(b) > 0 || err != nil {
		t.Errorf("%q, %v", b, err)
	}
}

// TestPingAnswered has a peer that says nothing but pong, for longer than both
// times together, however they compare: it is kept.
func TestPingAnswered(t *testing.T) {
	for _, times := range []struct{ interval, timeout time.Duration }{
		{20 * time.Millisecond, 400 * time.Millisecond},
		{500 * time.Millisecond, 400 * time.Millisecond},
	} {
		h, ended := closes(echo(t))
		s := &Server{Handler: h, PingInterval: times.interval, PongTimeout: times.timeout, Engine: brisk}
		p := dialPeer(t, listen(t, s))
		for start := time.Now(); time.Since(start) < 2*times.timeout; {
			p.expect(Ping, "")
			p.send(pong(""))
		}
		p.send(closing(1000, ""))
		for b0 := byte(0); b0 != 0x88; {
			b0, _ = p.frame()
		}
		p.nc.Close()
		if err := next(t, ended); err.Code != 1000 {
			t.Errorf("%v: %v", times, err)
		}
	}
}

// TestPingPrompt: the next ping comes an interval after the answer to the last one, and not
// when the time for that answer would have been over.
func TestPingPrompt(t *testing.T) {
	s := &Server{Handler: echo(t), PingInterval: 20 * time.Millisecond, PongTimeout: patience, Engine: brisk}
	p := dialPeer(t, listen(t, s))
	start := time.Now()
	for range 10 {
		p.expect(Ping, "")
		p.send(pong(""))
	}
	if d := time.Since(start); d > patience {
		t.Errorf("10 pings took %v", d)
	}
}

// TestPingAnyBytes has a peer that never answers a ping but is not silent: half a
// frame is a sign of life too.
func TestPingAnyBytes(t *testing.T) {
	h, ended := closes(echo(t))
	s := &Server{Handler: h, PingInterval: 100 * time.Millisecond, PongTimeout: 400 * time.Millisecond, Engine: brisk}
	p := dialPeer(t, listen(t, s))
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	message := text(letters(60))
	for i := range len(message) {
		<-tick.C
		p.send(message[i : i+1])
	}
	for {
		if b0, got := p.frame(); b0 == 0x81 && string(got) == letters(60) {
			break
		}
	}
	select {
	case err := <-ended:
		t.Error(err)
	default:
	}
}

// TestPingBusy: the server is too busy to read the answer in time.
func TestPingBusy(t *testing.T) {
	const timeout = 300 * time.Millisecond
	blocked, release := make(chan bool), make(chan bool)
	h, ended := closes(&Funcs{Message: func(c *Conn, op Opcode, p []byte) {
		if string(p) == "block" {
			blocked <- true
			<-release
		}
		c.Send(op, p)
	}})
	opts := brisk
	opts.Workers, opts.Loops = 1, 1
	addr := listen(t, &Server{Handler: h, PingInterval: timeout / 10, PongTimeout: timeout, Engine: opts})
	p, busy := dialPeer(t, addr), dialPeer(t, addr)
	p.expect(Ping, "")
	busy.send(text("block"))
	next(t, blocked)
	p.send(pong("") + text("alive"))
	<-time.After(timeout + timeout/2) // until the time to answer is over
	release <- true
	for {
		b0, got := p.frame()
		if b0 == 0x81 && string(got) == "alive" {
			break
		}
		if b0 == 0x88 {
			t.Fatal("closed")
		}
	}
	if len(ended) > 0 {
		t.Error(<-ended)
	}
}

// TestPingNever: the server sends no pings.
func TestPingNever(t *testing.T) {
	h, ended := closes(echo(t))
	s := &Server{Handler: h, PingInterval: -1, PongTimeout: 5 * time.Millisecond, HandshakeTimeout: 30 * time.Millisecond, Engine: brisk}
	addr := listen(t, s)
	p := dialPeer(t, addr)
	late := dialTCP(t, addr) // the clock by which to wait
	late.response(408)
	p.expectEcho("x") // and no ping before
	if len(ended) > 0 {
		t.Error(<-ended)
	}
}

// TestPingHandlers has a handler told of pings and pongs, in order with messages,
// after the pong was sent, and no more after the close frame.
func TestPingHandlers(t *testing.T) {
	events := make(chan string, 20)
	tell := func(op Opcode) func(*Conn, []byte) {
		return func(_ *Conn, p []byte) { events <- event(op, string(p)) }
	}
	h := &Funcs{
		Open:    func(c *Conn, _ *Request) { c.Pong([]byte(letters(130))) },
		Message: func(c *Conn, op Opcode, p []byte) { tell(op)(c, p) },
		Ping:    tell(Ping),
		Pong:    tell(Pong),
	}
	h, ended := closes(h)
	p := dialPeer(t, listen(t, &Server{Handler: h}))
	p.expect(Pong, letters(125))
	p.send(ping("1") + text("2") + pong("3") + masked(0x01, "") + ping("") + masked(0x80, "4") + closing(1000, "") + ping("5") + pong("6"))
	p.expect(Pong, "1")
	p.expect(Pong, "")
	p.expectClose(NormalClosure)
	for _, want := range []string{"ping 1", "text 2", "pong 3", "ping ", "text 4"} {
		if got := next(t, events); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	p.nc.Close()
	next(t, ended)
	if len(events) > 0 {
		t.Errorf("after the close frame: %q", <-events)
	}
}

// TestPingBetweenParts has a peer that always has a message under way, in parts: it is
// pinged nevertheless, also if a message may take less time than there is between pings.
func TestPingBetweenParts(t *testing.T) {
	for _, read := range []time.Time{{}, time.Now().Add(time.Hour)} {
		h := echo(t)
		h.Open = func(c *Conn, _ *Request) { c.SetReadDeadline(read) }
		s := &Server{Handler: h, PingInterval: 300 * time.Millisecond, MessageTimeout: 200 * time.Millisecond, Engine: brisk}
		p := dialPeer(t, listen(t, s))
		pinged := make(chan bool)
		go func() {
			defer close(pinged)
			for {
				if b0, _, err := readFrame(p.br); err != nil {
					return
				} else if b0 == 0x89 {
					pinged <- true
					return
				}
			}
		}()
		in := text("in two parts")
		p.send(in[:3])
		for i := 0; ; i++ {
			if i == 100 {
				t.Fatal("no ping came among many messages")
			}
			select {
			case ok := <-pinged:
				if !ok {
					t.Fatal("the connection ended")
				}
			case <-time.After(50 * time.Millisecond):
				p.send(in[3:] + in[:3])
				continue
			}
			break
		}
	}
}
