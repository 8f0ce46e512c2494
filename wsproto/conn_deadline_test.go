package wsproto

import (
	"errors"
	"os"
	"testing"
	"time"
)

// TestReadDeadline bounds the wait for the first message: the peer hears why, and
// OnClose too.
func TestReadDeadline(t *testing.T) {
	for name, ping := range map[string]time.Duration{"no pings": -1, "late pings": time.Hour, "many pings": 10 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			h, ended := closes(&Funcs{Open: func(c *Conn, _ *Request) { c.SetReadDeadline(time.Now().Add(50 * time.Millisecond)) }})
			p := dialPeer(t, listen(t, &Server{Handler: h, PingInterval: ping, Engine: brisk}))
			for {
				b0, got := p.frame()
				if b0 == 0x89 && ping > 0 { // a ping and its answer move nothing
					p.send(pong(string(got)))
					continue
				}
				if b0 != 0x88 || string(got) != "\x03\xf0nothing came in time" {
					t.Fatalf("got frame %#x %q", b0, got)
				}
				break
			}
			p.nc.Close()
			err := next(t, ended)
			if err.Code != PolicyViolation || err.Remote || !errors.Is(err, ErrReadDeadline) || !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("OnClose got %+v", err)
			}
		})
	}
}

// TestReadDeadlineMoved moves it with each message, for longer in all than it is
// itself, and then takes it away. On a machine that stalls for that long, it tries
// again with more time.
func TestReadDeadlineMoved(t *testing.T) {
	for bound := 100 * time.Millisecond; !readDeadlineMoved(t, bound); bound *= 2 {
		if bound > patience/2 {
			t.Fatal("the machine stalls too long for this test")
		}
	}
}

// readDeadlineMoved returns false if the time between two messages was too long.
func readDeadlineMoved(t *testing.T, bound time.Duration) bool {
	h, ended := closes(&Funcs{Message: func(c *Conn, op Opcode, p []byte) {
		if c.SetReadDeadline(time.Now().Add(bound)); string(p) == "for ever" {
			c.SetReadDeadline(time.Time{})
		}
		c.Send(op, p)
	}})
	addr := listen(t, &Server{Handler: h, Engine: brisk, PingInterval: -1})
	p := dialPeer(t, addr)
	begin, last := time.Now(), time.Now()
	for message := "moved"; message != ""; {
		sent := time.Now()
		p.send(text(message))
		if b0, got := p.frame(); string(got) != message {
			if late := time.Since(last); b0 != 0x88 || late < bound {
				t.Fatalf("got frame %#x %q %v after the last message", b0, got, late)
			}
			return false
		}
		last = sent
		switch {
		case message == "for ever":
			message = ""
		case time.Since(begin) > 3*bound:
			message = "for ever"
		}
	}
	clock := dialPeer(t, addr) // a connection whose deadline tells the time
	clock.expectEcho("begins")
	clock.expectClose(PolicyViolation)
	clock.nc.Close()
	if err := next(t, ended); !errors.Is(err, ErrReadDeadline) {
		t.Errorf("%+v", err)
	}
	p.expectEcho("for ever")
	p.send(closing(1000, ""))
	p.nc.Close()
	if err := next(t, ended); err.Code != NormalClosure {
		t.Errorf("%+v", err)
	}
	return true
}

// TestReadDeadlinePings has a connection with a distant read deadline pinged, and
// given up if it is silent, as any other; also when it is moved all the time.
func TestReadDeadlinePings(t *testing.T) {
	moving := make(chan *Conn, 1)
	h, ended := closes(&Funcs{Open: func(c *Conn, r *Request) {
		c.SetReadDeadline(time.Now().Add(time.Hour))
		if r.Path() == "/moving" {
			moving <- c
		}
	}})
	addr := listen(t, &Server{Handler: h, PingInterval: 20 * time.Millisecond, PongTimeout: 300 * time.Millisecond, Engine: brisk})
	for _, path := range []string{"/", "/moving"} {
		p := dialTCP(t, addr)
		p.send(goodRequest(path))
		p.response(101)
		if path == "/moving" {
			c := next(t, moving)
			for len(ended) == 0 {
				c.SetReadDeadline(time.Now().Add(time.Hour))
				c.SetReadDeadline(time.Time{})
			}
		} else {
			p.expect(Ping, "")
			p.send(pong(""))
		}
		p.expect(Ping, "")
		if err := next(t, ended); !errors.Is(err, ErrPongTimeout) {
			t.Errorf("%+v", err)
		}
	}
}

// TestReadDeadlineClosing does not disturb the closing handshake, whose time is
// bounded in any case.
func TestReadDeadlineClosing(t *testing.T) {
	h, ended := closes(&Funcs{Open: func(c *Conn, _ *Request) {
		c.SetReadDeadline(time.Now().Add(time.Hour))
		c.Close(NormalClosure, "")
		c.SetReadDeadline(time.Now().Add(time.Hour))
	}})
	p := dialPeer(t, listen(t, &Server{Handler: h, Engine: brisk, CloseTimeout: 30 * time.Millisecond}))
	p.expectClose(NormalClosure)
	if err := next(t, ended); err.Code != NormalClosure || !errors.Is(err, ErrCloseTimeout) {
		t.Errorf("%+v", err)
	}
}

// TestReadDeadlineClient has it on the client's side.
func TestReadDeadlineClient(t *testing.T) {
	url := "ws://" + listen(t, &Server{Handler: echo(t)})
	h, ended := closes(&Funcs{Open: func(c *Conn, _ *Request) { c.SetReadDeadline(time.Now()) }})
	if _, err := newClient(t).Dial(within(t, patience), url, h); err != nil {
		t.Fatal(err)
	}
	if err := next(t, ended); !errors.Is(err, ErrReadDeadline) {
		t.Errorf("%+v", err)
	}
}
