package wsproto

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

// slow lets a few messages pass, and practically no more.
func slow(messages int) *Rate {
	return &Rate{Messages: 1, Burst: time.Duration(messages)*time.Second + 900*time.Millisecond}
}

// TestRateCloses: each kind of message and control frame counts, in every way that it may come.
func TestRateCloses(t *testing.T) {
	stream := echo(t)
	stream.Stream = func(_ *Conn, _ Opcode, r io.Reader) error { _, err := io.Copy(io.Discard, r); return err }
	streams := func(s *Server) { s.Handler, s.StreamAbove = stream, 10 }
	hourly := &Rate{Bytes: 1, Burst: time.Hour}
	for name, tt := range map[string]struct {
		rate *Rate
		set  func(*Server)
		in   func() string
	}{
		"text":                       {slow(9), nil, func() string { return text("x") }},
		"empty":                      {slow(9), nil, func() string { return binmsg("") }},
		"fragments":                  {slow(9), nil, func() string { return masked(0x01, "x") + masked(0x00, "y") + masked(0x80, "z") }},
		"pings":                      {slow(9), nil, func() string { return ping("") }},
		"pongs":                      {slow(9), nil, func() string { return pong("x") }},
		"bytes":                      {hourly, nil, func() string { return text(letters(400)) }},
		"streams":                    {slow(9), streams, func() string { return text(letters(20)) }},
		"bytes of streams":           {hourly, streams, func() string { return text(letters(400)) }},
		"bytes of streams in frames": {hourly, streams, func() string { return masked(0x01, letters(200)) + masked(0x80, letters(200)) }},
	} {
		t.Run(name, func(t *testing.T) {
			s := &Server{Handler: echo(t), Rate: tt.rate, RateCode: 4429}
			if tt.set != nil {
				tt.set(s)
			}
			h, ended := closes(s.Handler.(*Funcs))
			s.Handler = h
			p := dialPeer(t, listen(t, s))
			in := tt.in()
			for range 9 {
				p.send(in)
			}
			p.send(in)
			for {
				b0, got := p.frame()
				if b0 != 0x88 {
					continue
				}
				if string(got) != "\x11\x4dtoo many messages" {
					t.Errorf("closed with %q", got)
				}
				break
			}
			p.nc.Close()
			if ce := next(t, ended); ce.Code != 4429 || !errors.Is(ce, ErrRate) {
				t.Errorf("OnClose gets %v", ce)
			}
			if st := s.Stats(); st.Limited.Messages != 1 {
				t.Errorf("%+v", st.Limited)
			}
		})
	}
}

// A message that streams counts once, in however many frames it comes.
func TestRateOfStreamedFrames(t *testing.T) {
	read := make(chan int64, 1)
	h := echo(t)
	h.Stream = func(_ *Conn, _ Opcode, r io.Reader) error {
		n, err := io.Copy(io.Discard, r)
		read <- n
		return err
	}
	s := &Server{Handler: h, StreamAbove: 10, Rate: slow(1)}
	p := dialPeer(t, listen(t, s))
	p.send(masked(0x02, letters(20)) + strings.Repeat(masked(0x00, "x"), 100) + masked(0x80, ""))
	if n := next(t, read); n != 120 {
		t.Errorf("%d bytes were read", n)
	}
	if st := s.Stats(); st.Limited.Messages != 0 {
		t.Errorf("%+v", st.Limited)
	}
}

// TestRateDefaultCode also has the rate set while a connection is open.
func TestRateDefaultCode(t *testing.T) {
	s := &Server{Handler: echo(t)}
	p := dialPeer(t, listen(t, s))
	for range 100 {
		p.expectEcho("hello")
	}
	l := s.Limits()
	l.Rate = slow(1)
	if err := s.SetLimits(l); err != nil {
		t.Fatal(err)
	}
	p.expectEcho("hello")
	p.send(text("too much"))
	p.expectClose(PolicyViolation)
	p.nc.Close()
}

// TestTake: a handler may limit its messages itself, and the credit moves with the connection.
func TestTake(t *testing.T) {
	rate := slow(2)
	waits := make(chan time.Duration, 10)
	conns := make(chan *Conn, 1)
	h := &Funcs{Open: func(c *Conn, _ *Request) { conns <- c }, Message: func(c *Conn, _ Opcode, p []byte) { waits <- c.Take(rate, len(p)) }}
	s, other := &Server{Handler: h}, &Server{}
	p := dialPeer(t, listen(t, s))
	listen(t, other)
	take := func() time.Duration {
		p.send(text("x"))
		return next(t, waits)
	}
	if first, second := take(), take(); first != 0 || second != 0 {
		t.Errorf("messages of the burst must wait %v and %v", first, second)
	}
	moved := make(chan error, 1)
	next(t, conns).Leave(func(state *ConnState, err error) {
		if err == nil {
			_, err = other.Enter(state, h)
		}
		moved <- err
	})
	if err := next(t, moved); err != nil {
		t.Fatal(err)
	}
	if wait := take(); wait <= 0 || wait > time.Second {
		t.Errorf("the third message must wait %v", wait)
	}
	p.nc.Close()
}
