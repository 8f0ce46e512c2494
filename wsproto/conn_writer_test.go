package wsproto

import (
	"errors"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// connected returns both ends of a connection.
func connected(t testing.TB, s *Server) (*peer, *Conn) {
	t.Helper()
	conns := make(chan *Conn, 1)
	h := &Funcs{}
	if s.Handler != nil {
		h = s.Handler.(*Funcs)
	}
	h.Open = func(c *Conn, _ *Request) { conns <- c }
	s.Handler = h
	p := dialPeer(t, listen(t, s))
	return p, next(t, conns)
}

func newWriter(t testing.TB, c *Conn, op Opcode) *Writer {
	t.Helper()
	w, err := c.NewWriter(op)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// TestWriter writes messages in pieces of all sizes.
func TestWriter(t *testing.T) {
	p, c := connected(t, &Server{})
	r := rand.New(rand.NewPCG(7, 8))
	for i := range 40 {
		want := letters(r.IntN(1 << r.IntN(20)))
		var wg sync.WaitGroup
		wg.Go(func() {
			w, err := c.NewWriter(Text)
			if err != nil {
				t.Error(err)
				return
			}
			for rest := want; len(rest) > 0; {
				n := min(len(rest), 1+r.IntN(1<<r.IntN(18)))
				if m, err := io.WriteString(w, rest[:n]); m != n || err != nil {
					t.Errorf("wrote %d of %d bytes, %v", m, n, err)
				}
				rest = rest[n:]
			}
			if err := w.Close(); err != nil {
				t.Error(err)
			}
			if err := w.Close(); !errors.Is(err, os.ErrClosed) {
				t.Errorf("the second Close: %v", err)
			}
			if _, err := w.Write([]byte("x")); !errors.Is(err, os.ErrClosed) {
				t.Errorf("Write after Close: %v", err)
			}
		})
		if op, got, _ := p.message(); op != Text || got != want {
			t.Errorf("message %d: got %v, %d bytes, want %d", i, op, len(got), len(want))
		}
		wg.Wait()
	}
	if w := newWriter(t, c, Binary); w.Close() != nil {
		t.Error("an empty message")
	}
	p.expect(Binary, "")
}

// TestWriterOthers has messages of others wait behind a Writer, and controls not.
func TestWriterOthers(t *testing.T) {
	p, c := connected(t, &Server{Engine: netpoll.Options{MaxPending: 200_000}})
	if _, err := c.NewWriter(Ping); err == nil {
		t.Error("a Writer for pings")
	}
	c.SendText("before")
	w := newWriter(t, c, Text)
	if _, err := c.NewWriter(Text); err != ErrWriterOpen {
		t.Errorf("a second Writer: %v", err)
	}
	prepared := Join(Prepare(Text, []byte("prepared")), Prepare(Binary, []byte("twice")))
	for _, o := range []Outcome{c.SendText("waits"), c.SendPrepared(prepared), c.SendText("waits too")} {
		if o != Queued {
			t.Errorf("a message beside an open Writer: %v", o)
		}
	}
	if _, err := io.WriteString(w, letters(fragment)+"x"); err != nil {
		t.Fatal(err)
	}
	c.Ping([]byte("between"))
	p.send(ping("answer"))
	p.expect(Text, "before")
	if b0, got := p.frame(); b0 != 0x01 || string(got) != letters(fragment) {
		t.Fatalf("got frame %#x, %d bytes", b0, len(got))
	}
	p.expect(Ping, "between")
	p.expect(Pong, "answer")
	full := 0
	for ; c.Send(Binary, []byte(letters(1000))).OK(); full++ {
	}
	if n := c.Pending(); full < 150 || n > 200_000 {
		t.Errorf("%d messages wait, %d bytes", full, n)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if b0, got := p.frame(); b0 != 0x80 || string(got) != "x" {
		t.Fatalf("got frame %#x, %d bytes", b0, len(got))
	}
	for _, s := range []string{"waits", "prepared"} {
		p.expect(Text, s)
	}
	p.expect(Binary, "twice")
	p.expect(Text, "waits too")
	for range full {
		p.expect(Binary, letters(1000))
	}
	c.SendText("after")
	p.expect(Text, "after")
	eventually(t, "nothing pending", func() bool { return c.Pending() == 0 && c.io.Engine().Stats().Queued == 0 })
}

// TestWriterAmongMany has goroutines send in all ways at once: every message arrives
// whole.
func TestWriterAmongMany(t *testing.T) {
	const each = 100
	p, c := connected(t, &Server{Handler: echo(t)})
	prepared := Prepare(Text, []byte(letters(5000)))
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for i := range each {
				w, err := c.NewWriter(Text)
				for ; err == ErrWriterOpen; w, err = c.NewWriter(Text) {
					time.Sleep(time.Microsecond)
				}
				if err != nil {
					t.Error(err)
					return
				}
				for range i % 5 {
					_, _ = io.WriteString(w, letters(i*1000))
				}
				if err := w.Close(); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			for range each {
				if o := c.SendPrepared(prepared); !o.OK() {
					t.Error(o)
				}
				if o := c.SendText("short"); !o.OK() {
					t.Error(o)
				}
			}
		})
	}
	p.sending(&wg, strings.Repeat(text("echo")+ping(""), each))
	for range 7 * each {
		switch _, got, _ := p.message(); {
		case got == "short", got == "echo":
		case got != strings.Repeat(letters(33), len(got)/33)+letters(len(got)%33) && got[:min(len(got), 20)] != letters(min(len(got), 20)):
			t.Fatalf("got %d bytes, %.80q", len(got), got)
		}
	}
	wg.Wait()
}

// TestWriterInTurn writes in OnMessage more than the kernel takes: it gets on though
// the turn cannot end.
func TestWriterInTurn(t *testing.T) {
	const size = 24 << 20
	h := &Funcs{Message: func(c *Conn, _ Opcode, _ []byte) {
		w, err := c.NewWriter(Binary)
		if err == nil {
			_, err = io.Copy(w, io.LimitReader(zeros{}, size))
		}
		if err == nil {
			err = w.Close()
		}
		if err != nil {
			t.Error(err)
		}
	}}
	p, c := connected(t, &Server{Handler: h})
	p.send(text("go"))
	eventually(t, "the kernel is full", func() bool { return c.Pending() > 0 })
	if n := c.Pending(); n > 2*fragment {
		t.Errorf("%d bytes are pending", n)
	}
	for n, b0 := 0, byte(0); b0&0x80 == 0; {
		var b []byte
		if b0, b = p.frame(); b0&0x80 != 0 && n+len(b) != size {
			t.Fatalf("got %d bytes", n+len(b))
		}
		n += len(b)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestWriterCut: a blocked Writer returns when the connection ends, for whatever reason.
func TestWriterCut(t *testing.T) {
	for name, tt := range map[string]struct {
		end func(p *peer, c *Conn)
		is  error
	}{
		"reset":   {func(p *peer, _ *Conn) { p.reset() }, netpoll.ErrClosed},
		"close":   {func(p *peer, _ *Conn) { p.send(closing(1000, "")) }, netpoll.ErrClosed},
		"closed":  {func(_ *peer, c *Conn) { c.Close(1000, "") }, netpoll.ErrClosed},
		"silence": {func(*peer, *Conn) {}, os.ErrDeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			h, ended := closes(&Funcs{})
			s := &Server{Handler: h, CloseTimeout: 50 * time.Millisecond, Engine: brisk}
			if name == "silence" {
				s.StreamTimeout, s.MinRate = 50*time.Millisecond, 1<<20
			}
			p, c := connected(t, s)
			w := newWriter(t, c, Binary)
			c.SendText("lost")
			got := make(chan error, 1)
			go func() {
				_, err := io.Copy(w, zeros{})
				got <- err
			}()
			eventually(t, "the kernel is full", func() bool { return c.Pending() > 100 })
			tt.end(p, c)
			if err := next(t, got); !errors.Is(err, tt.is) {
				t.Errorf("Write: %v", err)
			}
			if err := w.Close(); !errors.Is(err, tt.is) {
				t.Errorf("Close: %v", err)
			}
			if o := c.SendText("x"); o != Closed {
				t.Errorf("Send: %v", o)
			}
			if _, err := c.NewWriter(Text); !errors.Is(err, netpoll.ErrClosed) {
				t.Errorf("NewWriter: %v", err)
			}
			ce := next(t, ended)
			if name == "silence" && ce.Code != PolicyViolation {
				t.Error(ce)
			}
			eventually(t, "nothing is queued", func() bool { return s.Stats().Queued == 0 })
		})
	}
}

// TestStreamClient streams both ways between a client and a server of this package.
func TestStreamClient(t *testing.T) {
	s := &Server{Handler: streamEcho(t), StreamAbove: 1000}
	k := newClient(t)
	k.StreamAbove = 2000
	got := make(chan string, 1)
	conns := make(chan *Conn, 1)
	h := &Funcs{
		Open:    func(c *Conn, _ *Request) { conns <- c },
		Message: func(_ *Conn, _ Opcode, p []byte) { got <- "whole " + string(p) },
		Stream: func(_ *Conn, _ Opcode, r io.Reader) error {
			b, err := io.ReadAll(r)
			got <- "stream " + string(b)
			return err
		},
	}
	target := mustTarget(t, "ws://"+listen(t, s)+"/")
	if err := k.Start(target, noAddr, h, func(err error) { t.Error(err) }); err != nil {
		t.Fatal(err)
	}
	c := next(t, conns)
	for _, n := range []int{0, 10, 1500, 3000, 100_000, 5_000_000} {
		want := letters(n)
		w := newWriter(t, c, Text)
		if _, err := io.WriteString(w, want); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		kind := "whole "
		if n > 2000 {
			kind = "stream "
		}
		if s := next(t, got); s != kind+want {
			t.Fatalf("got %.20q, %d bytes; want %s%d", s, len(s), kind, n)
		}
	}
}

// TestSendJSON has one value go and one that cannot.
func TestSendJSON(t *testing.T) {
	p, c := connected(t, &Server{})
	if o, err := c.SendJSON(map[string]int{"a": 1}); !o.OK() || err != nil {
		t.Error(o, err)
	}
	p.expect(Text, `{"a":1}`)
	if o, err := c.SendJSON(func() {}); o.OK() || err == nil {
		t.Error(o, err)
	}
	if o := c.SendBinary([]byte{1, 2}); !o.OK() {
		t.Error(o)
	}
	p.expect(Binary, "\x01\x02")
}

// BenchmarkStream echoes messages of 16 MiB from OnStream.
func BenchmarkStream(b *testing.B) {
	p, _ := connected(b, &Server{Handler: streamEcho(b)})
	const size = 16 << 20
	frame := []byte(masked(0x82, strings.Repeat("x", size)))
	b.SetBytes(size)
	for b.Loop() {
		go func() {
			if _, err := p.nc.Write(frame); err != nil {
				b.Error(err)
			}
		}()
		for fin := false; !fin; {
			b0, _, err := readFrame(p.br)
			if err != nil {
				b.Fatal(err)
			}
			fin = b0&0x80 != 0
		}
	}
}

var noAddr netip.Addr

func mustTarget(t testing.TB, url string) Target {
	t.Helper()
	target, err := ParseTarget(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	return target
}
