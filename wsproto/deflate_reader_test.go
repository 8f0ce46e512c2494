package wsproto

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// squeezer compresses messages that refer to earlier ones, as a client with takeover
// does, with another implementation of DEFLATE.
type squeezer struct {
	b bytes.Buffer
	w *flate.Writer
}

func (s *squeezer) squeeze(t testing.TB, msg string) string {
	t.Helper()
	if s.w == nil {
		s.w, _ = flate.NewWriter(&s.b, 6)
	}
	s.b.Reset()
	_, _ = io.WriteString(s.w, msg)
	_ = s.w.Flush()
	return strings.TrimSuffix(s.b.String(), flushTail)
}

// sums returns a handler that answers each message with how it came, its length and
// its hash. OnStream reads in pieces of so many bytes.
func sums(piece int) *Funcs {
	return &Funcs{
		Message: func(c *Conn, op Opcode, p []byte) { c.SendText(sum("message", op, string(p))) },
		Stream: func(c *Conn, op Opcode, r io.Reader) error {
			var all strings.Builder
			_, err := io.CopyBuffer(struct{ io.Writer }{&all}, struct{ io.Reader }{r}, make([]byte, piece))
			if err == nil {
				c.SendText(sum("stream", op, all.String()))
			}
			return err
		},
	}
}

func sum(how string, op Opcode, s string) string {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return fmt.Sprintf("%s %v %d %x", how, op, len(s), h)
}

// split returns a compressed message in n fragments with a ping after each but the
// last.
func split(op Opcode, small string, n int) string {
	var b strings.Builder
	first := byte(rsv1 | op)
	for ; n > 1; n-- {
		k := len(small) / n
		b.WriteString(masked(first, small[:k]) + ping("between"))
		small, first = small[k:], 0
	}
	return b.String() + masked(0x80|first, small)
}

// TestInflating has compressed messages of all sizes come to OnMessage or OnStream by
// the size that they inflate to, with and without takeover, in pieces of all sizes.
func TestInflating(t *testing.T) {
	for _, takeover := range []bool{false, true} {
		for _, piece := range []int{1, 100, 5000, 100_000} {
			t.Run(fmt.Sprint(takeover, " ", piece), func(t *testing.T) {
				t.Parallel()
				s := &Server{Handler: sums(piece), MaxMessage: 100_000, StreamAbove: 20_000, Compression: &Compression{Takeover: takeover, Threshold: 10_000}}
				p := dialTCP(t, listen(t, s))
				p.offer(deflateName)
				z := new(squeezer)
				for i, msg := range []string{
					greek(1000), noise(20_000), noise(20_001), // on the wire larger than StreamAbove
					greek(20_000), greek(20_001), letters(400_000), // small on the wire
					noise(300_000), // large on the wire
					"", greek(100), noise(30_000)[:29_000], noise(40_000)[20_000:] + "x",
				} {
					if !takeover {
						z = new(squeezer)
					}
					op, how := Binary, "message"
					if strings.HasPrefix(msg, greek(2)) || i%2 == 0 && !strings.HasPrefix(msg, noise(1)) && i < 9 {
						op = Text
					}
					if len(msg) > 20_000 {
						how = "stream"
					}
					n := i%3 + 1
					p.send(split(op, z.squeeze(t, msg), n))
					for range n - 1 {
						p.expect(Pong, "between")
					}
					p.expect(Text, sum(how, op, msg))
				}
			})
		}
	}
}

// TestInflatingAll has every compressed message streamed, plain ones between.
func TestInflatingAll(t *testing.T) {
	h := sums(1000)
	h.Open = func(c *Conn, _ *Request) { c.StreamAll() }
	p := dialTCP(t, listen(t, &Server{Handler: h, Compression: &Compression{Takeover: true}}))
	p.offer(deflateName)
	var z squeezer
	for i, size := range []int{0, 1, 100, 1000, 70_000, 100, 0, 2 << 20, 10} {
		msg := letters(size)
		p.send(split(Text, z.squeeze(t, msg), i%3+1) + text(msg))
		for range i % 3 {
			p.expect(Pong, "between")
		}
		p.expect(Text, sum("stream", Text, msg))
		p.expect(Text, sum("stream", Text, msg))
	}
}

// TestInflatingEarlyReturn: messages may refer to a stream that OnStream did not read
// to its end.
func TestInflatingEarlyReturn(t *testing.T) {
	h := sums(1)
	var read atomic.Int64
	h.Stream = func(c *Conn, _ Opcode, r io.Reader) error {
		b := make([]byte, read.Load())
		if _, err := io.ReadFull(r, b); err != nil {
			return err
		}
		c.Send(Binary, b)
		return nil
	}
	p := dialTCP(t, listen(t, &Server{Handler: h, StreamAbove: 1000, Compression: &Compression{Takeover: true, Threshold: 1 << 20}}))
	p.offer(deflateName)
	var z squeezer
	for i, size := range []int{1001, 5000, 200_000, 100_000, 3000} {
		msg := noise(size + i*1000)[i*1000:]
		read.Store([]int64{0, 1, 4097, int64(size), 2999}[i])
		p.send(split(Binary, z.squeeze(t, msg), 3))
		p.expectAmong(2, "between", Binary, msg[:read.Load()])
		next := msg[max(0, size-900):]
		small := z.squeeze(t, next)
		if len(small) > 100 {
			t.Fatal("it does not refer to the stream")
		}
		p.send(masked(binDeflated, small))
		p.expect(Text, sum("message", Binary, next))
	}
}

// TestInflatingStreams has messages of several streams of DEFLATE.
func TestInflatingStreams(t *testing.T) {
	const hello = "\xf3\x48\xcd\xc9\xc9\x07\x00" // a last block
	h := sums(3)
	h.Open = func(c *Conn, _ *Request) { c.StreamAll() }
	for _, k := range []*Compression{{}, {Takeover: true}} {
		addr := listen(t, &Server{Handler: h, Compression: k})
		p := dialTCP(t, addr)
		p.offer(deflateName)
		for n := range maxStreams {
			p.send(split(Text, strings.Repeat(hello, n)+"\x00", n%4+1))
			for range n % 4 {
				p.expect(Pong, "between")
			}
			p.expect(Text, sum("stream", Text, strings.Repeat("Hello", n)))
		}
		// The second refers to the first, and begins in another frame.
		p.send(masked(byte(rsv1|Text), hello) + masked(0, "\xf2\x00\x11\x00") + masked(0x80, "\x00"))
		p.expect(Text, sum("stream", Text, "HelloHello"))
		p.send(masked(textDeflated, strings.Repeat(hello, maxStreams)+"\x00"))
		p.expectClose(InvalidFramePayload, errDeflate.Rule)
		p.expectEOF()
	}
}

// TestInflatingCut ends streams that are faulty or stop half-way: the reader hears why,
// and gets nothing that is wrong.
func TestInflatingCut(t *testing.T) {
	const limit = 100_000
	last := squeeze(t, letters(5000)) + inflateTail // all of a stream of DEFLATE
	good := squeeze(t, letters(50_000))
	bad := letters(3000) + "\xff" + letters(3000)
	rawText := byte(rsv1 | Text)
	for _, tt := range []struct {
		name, send string
		end        func(p *peer, c *Conn)
		code       Code
		is         error
		most       int
	}{
		{"text", masked(textDeflated, squeeze(t, bad)), nil, InvalidFramePayload, errInvalidUTF8, 3000},
		{"text in mid-stream", masked(rawText, squeeze(t, bad+letters(100_000))), nil, InvalidFramePayload, errInvalidUTF8, 3000},
		{"half a rune", masked(textDeflated, squeeze(t, letters(2000)+"\xce")), nil, InvalidFramePayload, errInvalidUTF8, 2001},
		{"corrupt", masked(rawText, "\xff"+good), nil, InvalidFramePayload, errDeflate, 50_000},
		{"truncated", masked(textDeflated, squeeze(t, noise(2000))[:1500]), nil, InvalidFramePayload, nil, 2000},
		{"nothing", masked(textDeflated, ""), nil, InvalidFramePayload, errDeflate, 0},
		{"bomb", masked(textDeflated, squeeze(t, letters(5<<20))), nil, MessageTooBig, errMessageSize, limit},
		{"a byte too many", masked(textDeflated, squeeze(t, letters(limit+1))), nil, MessageTooBig, errMessageSize, limit},
		{"on the wire", masked(rawText, good) + masked(0, noise(2*limit)), nil, MessageTooBig, errFrameSize, 50_000},
		{"reset", masked(rawText, good), func(p *peer, _ *Conn) { p.reset() }, AbnormalClosure, nil, 50_000},
		{"end", masked(rawText, good), func(p *peer, _ *Conn) { p.nc.Close() }, AbnormalClosure, io.EOF, 50_000},
		{"end after a last block", masked(rawText, last), func(p *peer, _ *Conn) { p.nc.Close() }, AbnormalClosure, io.EOF, 5000},
		{"close", masked(rawText, last), func(p *peer, _ *Conn) { p.send(closing(4000, "bye")) }, 4000, nil, 5000},
		{"closed", masked(rawText, good), func(_ *peer, c *Conn) { c.Close(4001, "") }, 4001, nil, 50_000},
		{"silent", masked(rawText, last), nil, PolicyViolation, nil, 5000},
	} {
		for _, takeover := range []bool{false, true} {
			t.Run(fmt.Sprint(tt.name, " ", takeover), func(t *testing.T) {
				begun := make(chan *Conn, 1)
				f, ends := reads(begun)
				h, ended := closes(f)
				h.Open = func(c *Conn, _ *Request) { c.StreamAll() }
				s := &Server{Handler: h, MaxMessage: 1000, MaxStream: limit, Engine: brisk, Compression: &Compression{Takeover: takeover}}
				if tt.name == "silent" {
					s.StreamTimeout = 50 * time.Millisecond
				} else {
					s.StreamTimeout = patience / 2
				}
				p := dialTCP(t, listen(t, s))
				p.offer(deflateName)
				p.send(tt.send)
				c := next(t, begun)
				if tt.end != nil {
					time.Sleep(10 * time.Millisecond) // most of it is read
					tt.end(p, c)
				}
				if tt.code != AbnormalClosure {
					p.expectClose(tt.code)
					p.nc.Close()
				}
				end := next(t, ends)
				if !errors.Is(end.err, io.ErrUnexpectedEOF) || !IsCloseError(end.err, tt.code) || tt.is != nil && !errors.Is(end.err, tt.is) {
					t.Errorf("the reader got %v", end.err)
				}
				if end.n > tt.most {
					t.Errorf("it got %d bytes, of which only %d are right", end.n, tt.most)
				}
				if err := next(t, ended); err.Code != tt.code {
					t.Errorf("OnClose got %v", err)
				}
			})
		}
	}
}

// TestInflatingLimits has limits that say none, and one that is met exactly by what
// grew by the attempt to compress it.
func TestInflatingLimits(t *testing.T) {
	msg := noise(100_000)
	for name, s := range map[string]*Server{
		"no limit":      {StreamAbove: 1000, MaxStream: -1},
		"no limit, too": {MaxMessage: math.MaxInt},
		"the limit":     {StreamAbove: 1000, MaxStream: 100_000},
	} {
		t.Run(name, func(t *testing.T) {
			s.Handler, s.Compression = sums(5000), new(Compression)
			p := dialTCP(t, listen(t, s))
			p.offer(deflateName)
			how := "stream"
			if s.StreamAbove == 0 {
				how = "message"
			}
			small := squeeze(t, msg)
			if len(small) <= len(msg) {
				t.Fatal("it did not grow")
			}
			for n := range 3 {
				p.send(split(Binary, small, n+1))
				for range n {
					p.expect(Pong, "between")
				}
				p.expect(Text, sum(how, Binary, msg))
			}
		})
	}
}

// TestInflatingAfterClose: what comes after our close frame touches nothing that
// OnStream still reads.
func TestInflatingAfterClose(t *testing.T) {
	begun, gate := make(chan *Conn, 1), make(chan struct{})
	h, ended := closes(&Funcs{Stream: func(c *Conn, _ Opcode, r io.Reader) error {
		begun <- c
		<-gate
		_, err := io.Copy(io.Discard, r)
		return err
	}})
	p := dialTCP(t, listen(t, &Server{Handler: h, StreamAbove: 10_000, Compression: &Compression{Takeover: true}}))
	p.offer(deflateName)
	p.send(masked(binDeflated, squeeze(t, letters(100_000))))
	c := next(t, begun)
	c.Close(4000, "")
	p.expectClose(4000)
	p.send(masked(binDeflated, squeeze(t, letters(5000))) + closing(4000, ""))
	p.expectEOF()
	if n := len(c.takeover().in); n > 0 {
		t.Errorf("a window of %d bytes has come before the stream's", n)
	}
	close(gate)
	p.nc.Close()
	if err := next(t, ended); err.Code != 4000 || err.Err != nil {
		t.Errorf("OnClose got %v", err)
	}
}

// TestInflatingOver: a read after OnStream has returned gets an error, and nothing of another
// connection.
func TestInflatingOver(t *testing.T) {
	over := make(chan error, 1)
	h := sums(1000)
	h.Stream = func(_ *Conn, _ Opcode, r io.Reader) error {
		reads := make(chan struct{})
		go func() {
			_, _ = io.ReadFull(r, make([]byte, 100))
			close(reads)
			_, err := io.Copy(io.Discard, r)
			over <- err
		}()
		<-reads
		time.Sleep(time.Millisecond)
		return nil
	}
	p := dialTCP(t, listen(t, &Server{Handler: h, StreamAbove: 1000, Compression: new(Compression)}))
	p.offer(deflateName)
	for range 20 {
		p.send(masked(byte(rsv1|Binary), squeeze(t, noise(20_000))+flushTail))
		if err := next(t, over); !errors.Is(err, errStreamOver) {
			t.Fatal(err)
		}
		p.send(masked(0x80, squeeze(t, "the rest")) + masked(textDeflated, squeeze(t, "next")))
		p.expect(Text, sum("message", Text, "next"))
	}
}

// TestInflatingMemory inflates 64 MiB within little memory.
func TestInflatingMemory(t *testing.T) {
	const size = 64 << 20
	var before, after runtime.MemStats
	got := make(chan int64, 1)
	h := &Funcs{Stream: func(_ *Conn, _ Opcode, r io.Reader) error {
		runtime.ReadMemStats(&before)
		n, err := io.Copy(io.Discard, r)
		runtime.ReadMemStats(&after)
		got <- n
		return err
	}}
	p := dialTCP(t, listen(t, &Server{Handler: h, Compression: &Compression{Takeover: true}}))
	p.offer(deflateName)
	var wg sync.WaitGroup
	defer wg.Wait()
	p.sending(&wg, masked(binDeflated, squeeze(t, strings.Repeat("\x00", size))))
	if n := next(t, got); n != size {
		t.Fatalf("%d bytes", n)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
		t.Errorf("%d bytes were allocated", n)
	}
}
