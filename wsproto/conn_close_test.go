package wsproto

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// brisk is an engine whose deadlines are exact enough for tests.
var brisk = netpoll.Options{Sweep: 5 * time.Millisecond}

// netpollSmall has the smallest buffers.
var netpollSmall = netpoll.Options{ReadBuffer: 4 << 10}

// TestCloseByPeer sends close frames: the same code comes back, without a reason, then the
// end, and OnClose gets the peer's code and reason.
func TestCloseByPeer(t *testing.T) {
	h, ended := closes(echo(t))
	addr := listen(t, &Server{Handler: h})
	for _, tt := range []struct {
		frame  string
		code   Code
		reason string
	}{
		{masked(0x88, ""), NoStatusReceived, ""},
		{closing(1000, ""), 1000, ""},
		{closing(1001, "bye"), 1001, "bye"},
		{closing(1014, letters(123)), 1014, letters(123)},
		{closing(3000, "κόσμε"), 3000, "κόσμε"},
		{closing(4999, ""), 4999, ""},
	} {
		p := dialPeer(t, addr)
		p.expectEcho("before")
		p.send(tt.frame + text("after") + ping("after"))
		p.expectClose(tt.code, "")
		p.expectEOF()
		p.nc.Close()
		if err := next(t, ended); err.Code != tt.code || err.Reason != tt.reason || !err.Remote || err.Err != nil {
			t.Errorf("%d %q: OnClose got %+v", tt.code, tt.reason, err)
		}
	}
}

// TestCloseByServer: the server begins; nothing is delivered or sent after its close frame,
// and the peer's close frame ends the connection.
func TestCloseByServer(t *testing.T) {
	var after atomic.Int32
	h, ended := closes(&Funcs{Message: func(c *Conn, op Opcode, p []byte) {
		if string(p) != "close" {
			after.Add(1)
			return
		}
		c.Close(4000, "enough")
		c.Close(1000, "never mind")
		if o := c.SendText("x"); o != Closed {
			t.Errorf("Send after Close: %v", o)
		}
		if o := c.SendPrepared(Prepare(Text, nil)); o != Closed {
			t.Errorf("SendPrepared after Close: %v", o)
		}
		if o := c.Ping(nil); o != Closed {
			t.Errorf("Ping after Close: %v", o)
		}
	}})
	addr := listen(t, &Server{Handler: h})
	p := dialPeer(t, addr)
	p.send(text("close") + text("same read"))
	p.expectClose(4000, "enough")
	p.send(text("later") + ping("later") + masked(0x02, "frag") + closing(4000, ""))
	p.expectEOF()
	p.nc.Close()
	if err := next(t, ended); err.Code != 4000 || err.Reason != "enough" || err.Remote || err.Err != nil {
		t.Errorf("OnClose got %+v", err)
	}
	if after.Load() != 0 {
		t.Errorf("%d messages were delivered after the close frame", after.Load())
	}
}

// TestCloseSimultaneous: both endpoints send a close frame first; for OnClose ours counts.
func TestCloseSimultaneous(t *testing.T) {
	conns := make(chan *Conn, 1)
	h, ended := closes(&Funcs{Open: func(c *Conn, _ *Request) { conns <- c }})
	addr := listen(t, &Server{Handler: h})
	p := dialPeer(t, addr)
	next(t, conns).Close(4001, "ours")
	p.send(closing(4002, "theirs"))
	p.expectClose(4001, "ours")
	p.expectEOF()
	p.nc.Close()
	if err := next(t, ended); err.Code != 4001 || err.Reason != "ours" || err.Remote {
		t.Errorf("OnClose got %+v", err)
	}
}

// TestCloseRace: many goroutines close and write at the same time; one close frame arrives,
// after everything else, and OnClose is called once.
func TestCloseRace(t *testing.T) {
	conns := make(chan *Conn, 1)
	h, ended := closes(&Funcs{Open: func(c *Conn, _ *Request) { conns <- c }})
	addr := listen(t, &Server{Handler: h})
	for range 30 {
		p := dialPeer(t, addr)
		c := next(t, conns)
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				c.SendText("x")
				c.Close(Code(4000+i), "")
				if o := c.SendText("late"); o != Closed {
					t.Errorf("Send after Close: %v", o)
				}
			})
		}
		wg.Go(func() { p.send(closing(4004, "")) })
		var code Code
		for code == 0 {
			switch b0, payload := p.frame(); {
			case b0 == 0x88:
				code = Code(payload[0])<<8 | Code(payload[1])
			case string(payload) != "x":
				t.Fatalf("frame %#x %q", b0, payload)
			}
		}
		p.expectEOF()
		wg.Wait()
		p.nc.Close()
		if err := next(t, ended); err.Code != code || err.Remote != (code == 4004) {
			t.Errorf("the peer got %d, OnClose %+v", code, err)
		}
	}
	select {
	case err := <-ended:
		t.Errorf("OnClose was called twice: %v", err)
	default:
	}
}

// TestCloseTimeout has a peer that does not answer.
func TestCloseTimeout(t *testing.T) {
	h, ended := closes(&Funcs{Open: func(c *Conn, _ *Request) { c.Close(1000, "bye") }})
	s := &Server{Handler: h, CloseTimeout: 50 * time.Millisecond, Engine: brisk}
	p := dialPeer(t, listen(t, s))
	start := time.Now()
	p.expectClose(1000, "bye")
	p.expectEOF()
	if err := next(t, ended); err.Code != 1000 || err.Remote || !errors.Is(err, ErrCloseTimeout) {
		t.Errorf("OnClose got %+v", err)
	}
	if d := time.Since(start); d < 40*time.Millisecond {
		t.Errorf("waited for %v only", d)
	}
	if st := s.Stats(); st.CloseTimeouts != 1 || st.Closes[1000] != 1 || len(st.ClosesByPeer) != 0 {
		t.Errorf("%+v", st)
	}
}

// TestCloseLinger answers a close frame, but the peer keeps its side open.
func TestCloseLinger(t *testing.T) {
	h, ended := closes(echo(t))
	addr := listen(t, &Server{Handler: h, CloseTimeout: 50 * time.Millisecond, Engine: brisk})
	p := dialPeer(t, addr)
	p.send(closing(1000, "bye"))
	p.expectClose(1000)
	p.expectEOF()
	if err := next(t, ended); err.Code != 1000 || !err.Remote {
		t.Errorf("OnClose got %+v", err)
	}
}

// TestCloseGone has peers that go without a word.
func TestCloseGone(t *testing.T) {
	h, ended := closes(echo(t))
	addr := listen(t, &Server{Handler: h})
	p := dialPeer(t, addr)
	p.nc.Close()
	if err := next(t, ended); err.Code != AbnormalClosure || err.Remote || err.Err != io.EOF {
		t.Errorf("OnClose got %+v", err)
	}
	p = dialPeer(t, addr)
	p.expectEcho("x")
	p.reset()
	if err := next(t, ended); err.Code != AbnormalClosure || err.Err == nil {
		t.Errorf("OnClose got %+v", err)
	}
}

// TestCloseArguments passes what cannot stand in a frame.
func TestCloseArguments(t *testing.T) {
	type args struct {
		code   Code
		reason string
	}
	todo := make(chan args, 1)
	h, ended := closes(&Funcs{Open: func(c *Conn, _ *Request) {
		a := <-todo
		c.Close(a.code, a.reason)
	}})
	addr := listen(t, &Server{Handler: h})
	for _, tt := range []struct{ give, want args }{
		{args{NoStatusReceived, "x"}, args{NoStatusReceived, ""}},
		{args{1006, "x"}, args{1011, "x"}},
		{args{0, ""}, args{1011, ""}},
		{args{1000, strings.Repeat("é", 100)}, args{1000, strings.Repeat("é", 61)}},
		{args{1000, "\xff"}, args{1000, "\ufffd"}},
	} {
		todo <- tt.give
		p := dialPeer(t, addr)
		p.expectClose(tt.want.code, tt.want.reason)
		p.send(masked(0x88, ""))
		p.expectEOF()
		p.nc.Close()
		if err := next(t, ended); err.Code != tt.want.code || err.Reason != tt.want.reason {
			t.Errorf("%+v: OnClose got %+v", tt.give, err)
		}
	}
}

// TestViolation breaks each rule: the messages before are served, the peer gets the code, and
// then the end and not a reset, although it has sent much more.
func TestViolation(t *testing.T) {
	h, ended := closes(echo(t))
	addr := listen(t, &Server{Handler: h, MaxMessage: 1000, MaxFrame: 800})
	for _, tt := range []struct {
		name, in string
		code     Code
		err      *Violation
	}{
		{"reserved bit", masked(0xc1, "x"), 1002, errReservedBits},
		{"reserved opcode", masked(0x85, "x"), 1002, errReservedOpcode},
		{"unmasked", rawFrame(0x81, "x", nil), 1002, errMaskRequired},
		{"length form", "\x82\xfe\x00\x01" + zeroMask + "x", 1002, errLengthNotMinimal},
		{"length sign", "\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff" + zeroMask, 1002, errLengthTopBit},
		{"long ping", masked(0x89, letters(126)), 1002, errControlLength},
		{"fragmented ping", masked(0x09, "x"), 1002, errControlFragment},
		{"message in message", masked(0x01, "x") + text("y"), 1002, errNoContinuation},
		{"continuation", masked(0x80, "x"), 1002, errContinuation},
		{"close of one byte", masked(0x88, "x"), 1002, errCloseLength},
		{"close code", closing(1005, ""), 1002, errCloseCode},
		{"close reason", closing(1000, "\xff"), 1007, errCloseReason},
		{"text", text("\xff"), 1007, errInvalidUTF8},
		{"text in part", text("\xc0" + letters(500))[:20], 1007, errInvalidUTF8},
		{"frame size", masked(0x82, letters(801)), 1009, errFrameSize},
		{"message size", masked(0x02, letters(800)) + masked(0x80, letters(201)), 1009, errMessageSize},
		{"declared size", "\x82\xff\x00\x00\x01\x00\x00\x00\x00\x00", 1009, errFrameSize},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := dialPeer(t, addr)
			in := tt.in
			if len(in) == 10 { // the rest of its header
				in += zeroMask
			}
			var wg sync.WaitGroup
			defer wg.Wait()
			wg.Go(func() { // while the answer is on its way
				p.send(ping("before") + in)
				p.send(text("after") + strings.Repeat(letters(1<<16), 30))
				_ = p.nc.CloseWrite()
			})
			p.expect(Pong, "before")
			p.expectClose(tt.code, tt.err.Rule)
			p.expectEOF()
			if err := next(t, ended); err.Code != tt.code || err.Remote || err.Err != error(tt.err) {
				t.Errorf("OnClose got %+v", err)
			}
		})
	}
}

// TestCloseWithPending closes while the peer has not taken what was sent before:
// all of that arrives first.
func TestCloseWithPending(t *testing.T) {
	const messages, size = 100, 30_000
	h, ended := closes(&Funcs{Open: func(c *Conn, _ *Request) {
		for range messages {
			if o := c.Send(Binary, []byte(letters(size))); !o.OK() {
				t.Errorf("Send: %v", o)
			}
		}
		c.Close(1000, "that was all")
	}})
	addr := listen(t, &Server{Handler: h})
	p := dialPeer(t, addr)
	for range messages {
		p.expect(Binary, letters(size))
	}
	p.expectClose(1000, "that was all")
	p.send(closing(1000, ""))
	p.expectEOF()
	p.nc.Close()
	if err := next(t, ended); err.Err != nil {
		t.Errorf("OnClose got %+v", err)
	}
}

// TestConnAfterClose uses a Conn whose connection has ended.
func TestConnAfterClose(t *testing.T) {
	conns := make(chan *Conn, 1)
	h, ended := closes(&Funcs{Open: func(c *Conn, _ *Request) {
		c.SetValue("v")
		conns <- c
	}})
	s := &Server{Handler: h}
	addr := listen(t, s)
	p := dialPeer(t, addr)
	c := next(t, conns)
	if c.RemoteAddr().String() != p.nc.LocalAddr().String() || c.LocalAddr().String() != addr || c.Loop() >= s.Loops() {
		t.Errorf("from %v to %v in loop %d of %d", c.RemoteAddr(), c.LocalAddr(), c.Loop(), s.Loops())
	}
	p.nc.Close()
	next(t, ended)
	c.Close(1000, "")
	if o := c.SendText("x"); o != Closed || c.RemoteAddr().IsValid() || c.Pending() != 0 || c.Value() != "v" || c.Subprotocol() != "" {
		t.Errorf("%v, %v, %d pending, %v", o, c.RemoteAddr(), c.Pending(), c.Value())
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil || c.SendText("x") != Closed {
		t.Error(err)
	}
}
