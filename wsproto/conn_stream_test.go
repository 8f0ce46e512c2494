package wsproto

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// echoStream sends a message back as it comes.
func echoStream(c *Conn, op Opcode, r io.Reader) error {
	w, err := c.NewWriter(op)
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, r); err != nil {
		return err
	}
	return w.Close()
}

// streamEcho is echo with streams.
func streamEcho(t testing.TB) *Funcs {
	h := echo(t)
	h.Stream = echoStream
	return h
}

// fragmented returns a message in random fragments with controls between, and how many
// pings there are.
func fragmented(r *rand.Rand, op Opcode, s string) (wire string, pings int) {
	var b strings.Builder
	for first := byte(op); ; first = 0 {
		n := min(len(s), r.IntN(1<<r.IntN(18)))
		if n == len(s) && r.IntN(2) == 0 {
			b.WriteString(masked(0x80|first, s))
			return b.String(), pings
		}
		b.WriteString(masked(first, s[:n]))
		s = s[n:]
		for range r.IntN(3) {
			b.WriteString(ping("between"))
			b.WriteString(pong(""))
			pings++
		}
	}
}

// message reads a message in fragments and counts the pongs between.
func (p *peer) message() (op Opcode, payload string, pongs int) {
	p.Helper()
	var all bytes.Buffer
	for {
		b0, b := p.frame()
		switch o := Opcode(b0 & 0xf); o {
		case Pong:
			pongs++
			continue
		case opContinuation:
			if op == 0 {
				p.Fatal("a continuation of nothing")
			}
		case Text, Binary:
			if op != 0 {
				p.Fatalf("%v begins within a message", o)
			}
			op = o
		default:
			p.Fatalf("got frame %#x %.60q", b0, b)
		}
		all.Write(b)
		if b0&0x80 != 0 {
			return op, all.String(), pongs
		}
	}
}

// sending writes s beside what the test reads.
func (p *peer) sending(wg *sync.WaitGroup, s string) {
	wg.Go(func() {
		if _, err := io.WriteString(p.nc, s); err != nil {
			p.Error(err)
		}
	})
}

// TestStreamEcho has messages of all sizes in random fragments, small ones among them
// as OnMessage gets them, come back whole and in order.
func TestStreamEcho(t *testing.T) {
	for name, above := range map[string]int{"above": 1000, "limit": 0} {
		t.Run(name, func(t *testing.T) {
			s := &Server{Handler: streamEcho(t), StreamAbove: above, MaxMessage: 200_000}
			p := dialPeer(t, listen(t, s))
			r := rand.New(rand.NewPCG(5, 6))
			var wire strings.Builder
			var want []string
			pings := 0
			for i := range 60 {
				m, op := letters(r.IntN(1<<r.IntN(21))), Binary
				if i%2 == 0 {
					m, op = greek(r.IntN(1<<r.IntN(19))), Text
				}
				m = fmt.Sprint(i, " ", m)
				w, n := fragmented(r, op, m)
				wire.WriteString(w)
				want, pings = append(want, m), pings+n
			}
			var wg sync.WaitGroup
			defer wg.Wait()
			p.sending(&wg, wire.String())
			pongs := 0
			for i, m := range want {
				op, got, n := p.message()
				if got != m || op != []Opcode{Text, Binary}[i%2] {
					t.Fatalf("message %d: got %v %.40q, %d bytes; want %.40q, %d bytes", i, op, got, len(got), m, len(m))
				}
				pongs += n
			}
			for ; pongs < pings; pongs++ {
				p.expect(Pong, "between")
			}
			p.send(ping("last"))
			p.expect(Pong, "last")
			if in := s.Stats(); in.MessagesIn != 60 || in.MessagesOut != 60 {
				t.Errorf("counted %d messages in, %d out", in.MessagesIn, in.MessagesOut)
			}
		})
	}
}

// TestStreamAll streams what would be collected, and the empty message.
func TestStreamAll(t *testing.T) {
	h := &Funcs{
		Open: func(c *Conn, _ *Request) { c.StreamAll() },
		Stream: func(c *Conn, op Opcode, r io.Reader) error {
			b, err := io.ReadAll(r)
			c.SendText(fmt.Sprintf("%d bytes, %v", len(b), err))
			return nil
		},
		Message: func(*Conn, Opcode, []byte) { t.Error("OnMessage was called") },
	}
	addr := listen(t, &Server{Handler: h})
	p := dialTCP(t, addr)
	p.send(goodRequest("/") + text("in one segment with the request")) // holds for the first message
	p.response(101)
	p.expect(Text, "31 bytes, <nil>")
	for _, n := range []int{0, 1, 200, 70_000} {
		p.send(binmsg(letters(n)) + masked(0x02, "") + masked(0x80, letters(n)))
		p.expect(Text, fmt.Sprintf("%d bytes, <nil>", n))
		p.expect(Text, fmt.Sprintf("%d bytes, <nil>", n))
	}
}

// streamEnd is what became of one call of OnStream.
type streamEnd struct {
	n   int
	err error
}

// reads returns a handler that reads streams to the end, and reports that.
func reads(begun chan<- *Conn) (*Funcs, chan streamEnd) {
	ends := make(chan streamEnd, 100)
	return &Funcs{Stream: func(c *Conn, _ Opcode, r io.Reader) error {
		if begun != nil {
			begun <- c
		}
		n, err := io.Copy(io.Discard, struct{ io.Reader }{r})
		ends <- streamEnd{int(n), err}
		return err
	}}, ends
}

// TestStreamOrder: while OnStream blocks, pings are answered, and the next message waits.
func TestStreamOrder(t *testing.T) {
	gate := make(chan struct{})
	events := make(chan string, 100)
	h, ended := closes(&Funcs{
		Message: func(_ *Conn, _ Opcode, p []byte) { events <- string(p) },
		Stream: func(_ *Conn, _ Opcode, r io.Reader) error {
			events <- "begin"
			<-gate
			b, err := io.ReadAll(r)
			events <- fmt.Sprint("end ", len(b), " ", err)
			return nil
		},
	})
	p := dialPeer(t, listen(t, &Server{Handler: h, StreamAbove: 100}))
	for range 3 {
		p.send(text("before") + masked(0x02, letters(150)) + ping("1"))
		p.expect(Pong, "1")
		p.send(masked(0x80, letters(50)) + ping("2"))
		p.expect(Pong, "2")
		p.send(text("after") + text("more") + binmsg(letters(101)) + ping("3"))
		for _, want := range []string{"before", "begin"} {
			if got := next(t, events); got != want {
				t.Fatalf("got %q, want %q", got, want)
			}
		}
		select {
		case e := <-events:
			t.Fatalf("%q before OnStream has returned", e)
		default:
		}
		gate <- struct{}{}
		for _, want := range []string{"end 200 <nil>", "after", "more", "begin"} {
			if got := next(t, events); got != want {
				t.Fatalf("got %q, want %q", got, want)
			}
		}
		p.expect(Pong, "3")
		gate <- struct{}{}
		if got := next(t, events); got != "end 101 <nil>" {
			t.Fatal(got)
		}
	}
	p.send(binmsg(letters(101)) + closing(1000, "")) // OnClose too waits
	p.expectClose(1000)
	p.nc.Close()
	if got := next(t, events); got != "begin" {
		t.Fatal(got)
	}
	select {
	case <-ended:
		t.Fatal("OnClose before OnStream has returned")
	default:
	}
	close(gate)
	if got := next(t, events); got != "end 101 <nil>" { // all of it has come
		t.Fatal(got)
	}
	next(t, ended)
}

// TestStreamBackpressure: a handler does not read; the peer is stopped, and continues when
// the handler reads.
func TestStreamBackpressure(t *testing.T) {
	const size = 48 << 20
	gate := make(chan struct{})
	got := make(chan int64, 1)
	h := &Funcs{Stream: func(_ *Conn, _ Opcode, r io.Reader) error {
		<-gate
		n, err := io.Copy(io.Discard, r)
		got <- n
		return err
	}}
	s := &Server{Handler: h, PingInterval: 200 * time.Millisecond, PongTimeout: 200 * time.Millisecond, Engine: brisk}
	p := dialPeer(t, listen(t, s))
	head := "\x82\xff\x00\x00\x00\x00\x03\x00\x00\x00" + zeroMask
	p.send(head)
	chunk := make([]byte, 1<<20)
	sent := 0
	for {
		_ = p.nc.SetWriteDeadline(time.Now().Add(600 * time.Millisecond))
		n, err := p.nc.Write(chunk[:min(len(chunk), size-sent)])
		sent += n
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if err != nil || sent == size {
			t.Fatalf("the server took %d bytes, %v", sent, err)
		}
	}
	// Meanwhile more than the times of a ping and its answer have gone by.
	if in := s.Stats().BytesIn; in > 300<<10 {
		t.Errorf("%d bytes were read for a ring of %d", in, 128<<10)
	}
	close(gate)
	_ = p.nc.SetWriteDeadline(time.Now().Add(patience))
	for sent < size {
		n, err := p.nc.Write(chunk[:min(len(chunk), size-sent)])
		if err != nil {
			t.Fatal(err)
		}
		sent += n
	}
	if n := next(t, got); n != size {
		t.Errorf("the handler read %d bytes", n)
	}
}

// TestStreamEarlyReturn throws away what OnStream does not read.
func TestStreamEarlyReturn(t *testing.T) {
	h := &Funcs{
		Stream: func(c *Conn, _ Opcode, r io.Reader) error {
			b := make([]byte, 10)
			if _, err := io.ReadFull(r, b); err != nil {
				return err
			}
			c.Send(Text, b)
			return nil
		},
		Message: echo(t).Message,
	}
	conns := make(chan *Conn, 1)
	h.Open = func(c *Conn, _ *Request) { conns <- c }
	p := dialPeer(t, listen(t, &Server{Handler: h, StreamAbove: 1000}))
	for i := range 20 {
		p.send(binmsg(letters(1001 + i*50_000)))
		p.expect(Text, letters(10))
		p.expectEcho("next")
		p.send(masked(0x02, letters(1500)))
		p.expect(Text, letters(10))
		p.send(ping("") + masked(0, letters(300_000)) + masked(0x80, "") + text("small"))
		p.expect(Pong, "")
		p.expect(Text, "small")
	}
	c := next(t, conns)
	eventually(t, "nothing is left", func() bool { return c.streaming() == nil })
}

// TestStreamFails has OnStream fail in its ways.
func TestStreamFails(t *testing.T) {
	wrong := errors.New("wrong")
	for name, f := range map[string]func(r io.Reader) error{
		"error":      func(io.Reader) error { return wrong },
		"late error": func(r io.Reader) error { _, _ = io.Copy(io.Discard, r); return wrong },
		"panic":      func(io.Reader) error { panic("on purpose") },
	} {
		t.Run(name, func(t *testing.T) {
			h, ended := closes(&Funcs{Stream: func(_ *Conn, _ Opcode, r io.Reader) error { return f(r) }})
			p := dialPeer(t, listen(t, &Server{Handler: h, StreamAbove: 1}))
			p.send(binmsg(letters(3000)))
			p.expectClose(InternalError, "the handler failed")
			p.expectEOF()
			p.nc.Close()
			if err := next(t, ended); err.Code != InternalError || !errors.Is(err, wrong) && !errors.Is(err, netpoll.ErrPanic) {
				t.Errorf("OnClose got %v", err)
			}
		})
	}
}

// TestStreamCut ends the connection in the middle of a message: the reader hears of it
// at once, OnClose comes after it.
func TestStreamCut(t *testing.T) {
	half := masked(0x01, letters(5000)) + rawFrame(0x00, letters(5000), new([4]byte))[:4000]
	between := masked(0x01, letters(5000))
	for name, tt := range map[string]struct {
		send string
		end  func(p *peer, c *Conn)
		code Code
		is   error
	}{
		"reset":     {half, func(p *peer, _ *Conn) { p.reset() }, AbnormalClosure, nil},
		"end":       {half, func(p *peer, _ *Conn) { p.nc.Close() }, AbnormalClosure, io.EOF},
		"close":     {between, func(p *peer, _ *Conn) { p.send(closing(4000, "bye")); p.expectClose(4000); p.nc.Close() }, 4000, nil},
		"violation": {between, func(p *peer, _ *Conn) { p.send(text("new")); p.expectClose(ProtocolError); p.nc.Close() }, ProtocolError, errNoContinuation},
		"text":      {half, func(p *peer, _ *Conn) { p.send("\x00\x01\xff\xfe"); p.expectClose(InvalidFramePayload); p.nc.Close() }, InvalidFramePayload, errInvalidUTF8},
		"closed": {between, func(p *peer, c *Conn) {
			c.Close(4001, "")
			p.expectClose(4001)
			p.send(masked(0, letters(300_000)) + closing(4001, ""))
			p.expectEOF()
			p.nc.Close()
		}, 4001, nil},
		"silent": {half, func(p *peer, _ *Conn) { p.expectClose(PolicyViolation); p.nc.Close() }, PolicyViolation, os.ErrDeadlineExceeded},
		"size":   {between, func(p *peer, _ *Conn) { p.send(masked(0, letters(96_000))); p.expectClose(MessageTooBig); p.nc.Close() }, MessageTooBig, errMessageSize},
	} {
		t.Run(name, func(t *testing.T) {
			begun := make(chan *Conn, 1)
			f, ends := reads(begun)
			var returned atomic.Bool
			h, ended := closes(&Funcs{
				Stream: func(c *Conn, op Opcode, r io.Reader) error { defer returned.Store(true); return f.Stream(c, op, r) },
				Close: func(*Conn, *CloseError) {
					if !returned.Load() {
						t.Error("OnClose before OnStream has returned")
					}
				},
			})
			s := &Server{Handler: h, StreamAbove: 1000, MaxStream: 100_000, Engine: brisk}
			if name == "silent" {
				s.StreamTimeout = 20 * time.Millisecond
			}
			p := dialPeer(t, listen(t, s))
			p.send(tt.send)
			c := next(t, begun)
			tt.end(p, c)
			end := next(t, ends)
			if !errors.Is(end.err, io.ErrUnexpectedEOF) || !IsCloseError(end.err, tt.code) || tt.is != nil && !errors.Is(end.err, tt.is) {
				t.Errorf("the reader got %v", end.err)
			}
			if err := next(t, ended); err.Code != tt.code {
				t.Errorf("OnClose got %v", err)
			}
		})
	}
}

// TestStreamShutdown shuts a server down while streams are under way, and while some
// wait for their turn.
func TestStreamShutdown(t *testing.T) {
	begun := make(chan *Conn, 10)
	f, ends := reads(begun)
	h, ended := closes(f)
	s := &Server{Handler: h, StreamAbove: 10, Engine: netpoll.Options{Background: 3}} // two of an address
	addr := listen(t, s)
	for range 4 {
		p := dialPeer(t, addr)
		p.send(masked(0x02, letters(5000)))
		go func() {
			_, _ = io.Copy(struct{ io.Writer }{answerer{p}}, p.br)
			p.nc.Close()
		}()
	}
	next(t, begun)
	next(t, begun)
	eventually(t, "all four have come", func() bool { return s.Stats().MessagesIn == 4 })
	shutdown(t, s)
	for range 4 {
		if err := next(t, ended); err.Code != GoingAway {
			t.Error(err)
		}
	}
	for range 2 { // at least: one that waited may have begun
		if end := next(t, ends); !IsCloseError(end.err, GoingAway) {
			t.Error(end.err)
		}
	}
}

// TestStreamWaits has a message whose turn never comes: it is held, and when its
// connection ends OnClose does not wait for others.
func TestStreamWaits(t *testing.T) {
	begun := make(chan *Conn, 10)
	f, ends := reads(begun)
	h, ended := closes(f)
	s := &Server{Handler: h, StreamAbove: 10, Engine: netpoll.Options{Background: 1}}
	addr := listen(t, s)
	first, second := dialPeer(t, addr), dialPeer(t, addr)
	first.send(masked(0x02, letters(5000)))
	c := next(t, begun)
	second.send(masked(0x02, letters(5000)) + ping("unread"))
	eventually(t, "it has come", func() bool { return s.Stats().MessagesIn == 2 })
	c.io.Engine().Each(func(h netpoll.Handler) {
		if other := (*Conn)(h.(*handle)); other != c {
			eventually(t, "it is held", other.io.Held)
			other.Close(4000, "")
		}
	})
	second.expectClose(4000)
	second.send(closing(4000, "")) // what is thrown away before it holds nothing up
	second.expectEOF()
	second.nc.Close()
	if err := next(t, ended); err.Code != 4000 {
		t.Error(err)
	}
	if n := s.Stats().BackgroundWaiting; n != 0 {
		t.Errorf("%d wait for a goroutine, and their connections have ended", n)
	}
	first.send(masked(0x80, letters(5000)))
	if end := next(t, ends); end.n != 10_000 || end.err != nil {
		t.Error(end)
	}
	if len(begun) > 0 || len(ends) > 0 {
		t.Error("OnStream was called for a message that had been cut before")
	}
}

// answerer answers the first bytes with a close frame: there is nothing else.
type answerer struct{ p *peer }

func (a answerer) Write(b []byte) (int, error) {
	_, err := io.WriteString(a.p.nc, closing(GoingAway, ""))
	return len(b), err
}

// TestStreamMany has more streams under way than workers and goroutines for them:
// others are served, and all get their turn.
func TestStreamMany(t *testing.T) {
	const count = 20
	h := streamEcho(t)
	s := &Server{Handler: h, StreamAbove: 1000, Engine: netpoll.Options{Workers: 2, Background: 3}}
	addr := listen(t, s)
	var peers []*peer
	for range count {
		p := dialPeer(t, addr)
		p.send(masked(0x02, letters(5000)))
		peers = append(peers, p)
	}
	eventually(t, "all have come", func() bool { return s.Stats().MessagesIn == count })
	dialPeer(t, addr).expectEcho("others are served")
	var wg sync.WaitGroup
	for _, p := range peers {
		wg.Go(func() {
			if _, err := io.WriteString(p.nc, ping("")+masked(0x80, letters(400_000))); err != nil {
				t.Error(err)
			}
			for n := 0; n < 405_000; {
				b0, b, err := readFrame(p.br)
				if err != nil {
					t.Error(err)
					return
				}
				if b0&0xf != byte(Pong) {
					n += len(b)
				}
			}
		})
	}
	wg.Wait()
}

// TestStreamLeavesNothing checks what a connection keeps after a stream.
func TestStreamLeavesNothing(t *testing.T) {
	conns := make(chan *Conn, 1)
	h := streamEcho(t)
	h.Open = func(c *Conn, _ *Request) { conns <- c }
	h.Message = func(c *Conn, op Opcode, p []byte) {
		if c.parser.part != nil {
			t.Errorf("the parser keeps %+v", c.parser.part)
		}
		c.Send(op, p)
	}
	p := dialPeer(t, listen(t, &Server{Handler: h, StreamAbove: 1000}))
	c := next(t, conns)
	p.send(binmsg(letters(100_000)))
	p.message()
	eventually(t, "OnStream has returned", func() bool { return c.streaming() == nil })
	p.expectEcho("x")
	if streamed.buf != nil || streamed.flow != nil || streamed.left != 0 {
		t.Errorf("what stands for all is %+v", streamed)
	}
}
