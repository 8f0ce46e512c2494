package wsproto

import (
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// TestFaultReset ends connections with RST in the middle of everything.
func TestFaultReset(t *testing.T) {
	h, ended := closes(&Funcs{Message: echo(t).Message, Close: func(c *Conn, _ *CloseError) {
		if c.parser.part != nil {
			t.Error("half a message is kept with a connection that is gone")
		}
	}})
	s := &Server{Handler: h, HTTP: site()}
	addr := listen(t, s)
	living := dialPeer(t, addr)
	living.expectEcho("x")
	frame := masked(0x01, "half") + masked(0x80, letters(10_000))
	for i := range 50 {
		p := dialPeer(t, addr)
		p.send(frame[:1+i*(len(frame)-1)/50])
		p.reset()
		if err := next(t, ended); err.Code != AbnormalClosure || err.Err == nil {
			t.Errorf("OnClose got %+v", err)
		}
	}
	for i := range 20 {
		p := dialTCP(t, addr)
		p.send(with()[:1+i*5])
		p.reset()
	}
	living.expectEcho("y")
	eventually(t, "one connection left", func() bool { return s.Stats().Open == 1 })
}

// TestFaultHalf has more connections than workers that send half of something and
// then nothing, while others are served.
func TestFaultHalf(t *testing.T) {
	addr := listen(t, &Server{Handler: echo(t), Engine: netpoll.Options{Workers: 4}})
	halves := []string{masked(0x82, letters(5000))[:3000], masked(0x01, "frag"), ping("ping")[:4], text("x")[:1], "\x82\xff\x00"}
	var stuck []*peer
	for i := range 40 {
		p := dialPeer(t, addr)
		p.send(halves[i%len(halves)])
		stuck = append(stuck, p)
		q := dialTCP(t, addr)
		q.send(with()[:30])
	}
	for range 10 {
		p := dialPeer(t, addr)
		p.expectEcho(letters(70_000))
	}
	stuck[0].send("") // they live, and go on where they stopped
	stuck[1].send(masked(0x80, "ment") + text("next"))
	stuck[1].expect(Text, "fragment")
	stuck[1].expect(Text, "next")
}

// TestFaultPanic has handlers panic: their connection ends with 1011, all others
// live.
func TestFaultPanic(t *testing.T) {
	h, ended := closes(&Funcs{
		Open: func(c *Conn, r *Request) {
			if r.Path() == "/open" {
				panic("in OnOpen")
			}
		},
		Message: func(c *Conn, op Opcode, p []byte) {
			if string(p) == "panic" {
				panic("in OnMessage")
			}
			c.Send(op, p)
		},
		Close: func(c *Conn, err *CloseError) {
			if err.Code == 4444 {
				panic("in OnClose")
			}
		},
	})
	s := &Server{Handler: h}
	addr := listen(t, s)
	living := dialPeer(t, addr)
	ends := func(p *peer) {
		t.Helper()
		p.expectClose(InternalError)
		p.expectEOF()
		p.nc.Close()
		if err := next(t, ended); err.Code != InternalError || err.Remote || !errors.Is(err, netpoll.ErrPanic) {
			t.Errorf("OnClose got %+v", err)
		}
		living.expectEcho("still here")
	}
	p := dialPeer(t, addr)
	p.send(text("before") + text("panic") + text("after"))
	p.expect(Text, "before")
	ends(p)
	p = dialPeer(t, addr) // in a message that came in pieces
	p.send(masked(0x01, "pan") + masked(0x80, "ic"))
	ends(p)
	p = dialPeer(t, addr)
	p.send(closing(4444, ""))
	p.expectClose(4444)
	p.nc.Close()
	p = dialTCP(t, addr)
	p.send(goodRequest("/open"))
	p.response(101)
	ends(p)
	eventually(t, "one connection left", func() bool { return s.Stats().Open == 1 })
}

// TestFaultStopsReading: a peer sends and does not read; the server holds a bounded amount,
// and the connection lives.
func TestFaultStopsReading(t *testing.T) {
	const (
		pending = 1 << 20
		size    = 4 << 10
		count   = 8 << 10 // 32 MiB in all, more than all buffers of the kernel
	)
	s := &Server{Handler: echo(t), MaxMessage: size, Engine: netpoll.Options{MaxPending: pending}}
	addr := listen(t, s)
	p := dialPeer(t, addr)
	_ = p.nc.SetReadBuffer(64 << 10)
	message := binmsg(letters(size))
	stream := []byte(strings.Repeat(message, count))
	// Write until nothing goes any more.
	sent := 0
	for {
		_ = p.nc.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
		n, err := p.nc.Write(stream[sent:min(len(stream), sent+64<<10)])
		sent += n
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if err != nil || sent == len(stream) {
			t.Fatalf("the server took %d of %d bytes, %v", sent, len(stream), err)
		}
		if q := s.Stats().Queued; q > pending {
			t.Fatalf("%d bytes are queued", q)
		}
	}
	if q := s.Stats().Queued; q < pending/2 || q > pending {
		t.Errorf("%d bytes are queued when the server stops to read", q)
	}
	other := dialPeer(t, addr)
	other.expectEcho("others are served")
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		_ = p.nc.SetWriteDeadline(time.Now().Add(patience))
		if _, err := p.nc.Write(stream[sent:]); err != nil {
			t.Error(err)
		}
	})
	want := letters(size)
	for i := range count {
		if b0, got := p.frame(); b0 != 0x82 || string(got) != want {
			t.Fatalf("message %d: frame %#x of %d bytes", i, b0, len(got))
		}
	}
	eventually(t, "nothing queued", func() bool { return s.Stats().Queued == 0 })
}

// TestFaultFull: a handler sends more than may be pending; the write is refused as a whole,
// everything accepted arrives, and later writes succeed.
func TestFaultFull(t *testing.T) {
	const size = 10_000
	conns := make(chan *Conn, 1)
	s := &Server{Handler: &Funcs{Open: func(c *Conn, _ *Request) { conns <- c }}, Engine: netpoll.Options{MaxPending: 200_000}}
	p := dialPeer(t, listen(t, s))
	c := next(t, conns)
	taken := 0
	for taken < 10_000 {
		if o := c.Send(Binary, []byte(letters(size))); o == Full {
			break
		} else if !o.OK() {
			t.Fatal(o)
		}
		taken++
	}
	if taken < 20 || taken == 10_000 || c.Pending() > 200_000 {
		t.Fatalf("%d messages were taken, %d bytes are pending", taken, c.Pending())
	}
	for range taken {
		p.expect(Binary, letters(size))
	}
	eventually(t, "nothing pending", func() bool { return c.Pending() == 0 })
	if o := c.SendText("again"); !o.OK() {
		t.Error(o)
	}
	p.expect(Text, "again")
}

// TestFaultBlocked has 200 handlers block; others echo as if nothing was.
func TestFaultBlocked(t *testing.T) {
	release := make(chan struct{})
	var blocked atomic.Int32
	h := &Funcs{Message: func(c *Conn, op Opcode, p []byte) {
		if string(p) == "block" {
			blocked.Add(1)
			<-release
		}
		c.Send(op, p)
	}}
	addr := listen(t, &Server{Handler: h})
	free := dialPeer(t, addr)
	var stuck []*peer
	for range 200 {
		p := dialPeer(t, addr)
		p.send(text("block"))
		stuck = append(stuck, p)
	}
	eventually(t, "200 blocked handlers", func() bool { return blocked.Load() == 200 })
	var took []time.Duration
	for range 51 {
		start := time.Now()
		free.expectEcho("quick")
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	// The median: a machine that is busy with something else may take its
	// processors away for longer than that now and then.
	if d := took[len(took)/2]; d > 20*time.Millisecond {
		t.Errorf("an echo took %v beside blocked handlers", d)
	}
	close(release)
	for _, p := range stuck {
		p.expect(Text, "block")
	}
}

// keeper keeps its payloads, against the rule.
type keeper struct {
	Funcs
	kept   []byte
	spoilt chan bool // at the end of each read that had a message: whether what is kept has become nonsense
}

func (k *keeper) OnReadEnd(*Conn) {
	if k.kept != nil {
		k.spoilt <- bytes.Count(k.kept, []byte{0xdb}) == len(k.kept)
		k.kept = nil
	}
}

// TestFaultKeptPayload has a handler that keeps its payloads. What it sends is right, others get what is theirs, and with the
// race detector it finds nonsense in what it has kept.
func TestFaultKeptPayload(t *testing.T) {
	for _, size := range []int{1, 5000, 200 << 10} { // in the worker's buffer, in one of its own, and read to where it is collected
		k := &keeper{spoilt: make(chan bool, 10)}
		k.Message = func(c *Conn, op Opcode, payload []byte) {
			k.kept = payload
			c.Send(op, payload)
		}
		s := &Server{Engine: netpoll.Options{Loops: 1, Workers: 1}, NewHandler: func(r *Request) Handler {
			if r.Path() == "/keep" {
				return k
			}
			return echo(t)
		}}
		addr := listen(t, s)
		other, p := dialPeer(t, addr), dialTCP(t, addr)
		p.send(goodRequest("/keep"))
		p.response(101)
		for range 3 {
			p.expectEcho(letters(size))
			other.expectEcho("mine" + letters(size))
			if got := next(t, k.spoilt); poisons && !got {
				t.Errorf("a payload of %d bytes that was kept is still there", size)
			}
		}
	}
}

// TestFaultFlood has a peer that broke a rule go on to send without end, on an
// engine with one worker: others are served meanwhile.
func TestFaultFlood(t *testing.T) {
	addr := listen(t, &Server{Handler: echo(t), CloseTimeout: 10 * time.Second, Engine: netpoll.Options{Workers: 1, Loops: 1}})
	p := dialPeer(t, addr)
	other := dialPeer(t, addr)
	p.send(masked(0xf1, "wrong"))
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		junk := make([]byte, 1<<20)
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := p.nc.Write(junk); err != nil {
				return
			}
		}
	}()
	p.expectClose(ProtocolError)
	for range 20 {
		start := time.Now()
		other.expectEcho("x")
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("an echo took %v", d)
		}
	}
	close(stop)
	p.nc.Close()
	<-done
}

// TestFaultPingFlood sends pings and reads no answer for a while: they are
// bounded, and the connection lives.
func TestFaultPingFlood(t *testing.T) {
	const pending = 256 << 10
	s := &Server{Handler: echo(t), Engine: netpoll.Options{MaxPending: pending}}
	addr := listen(t, s)
	p := dialPeer(t, addr)
	flood := []byte(strings.Repeat(ping(letters(125)), 1000))
	_ = p.nc.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
	var cutOff int // of the frame that was not sent whole
	for {
		n, err := p.nc.Write(flood)
		if q := s.Stats().Queued; q > pending {
			t.Fatalf("%d bytes are queued", q)
		}
		if err != nil {
			cutOff = n % 131
			break
		}
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		_ = p.nc.SetWriteDeadline(time.Now().Add(patience))
		if cutOff > 0 {
			_, _ = p.nc.Write(flood[cutOff:131])
		}
		if _, err := io.WriteString(p.nc, text("the end")); err != nil {
			t.Error(err)
		}
	})
	for {
		b0, got := p.frame()
		if b0 == 0x81 {
			if string(got) != "the end" {
				t.Errorf("%q", got)
			}
			return
		}
		if b0 != 0x8a || len(got) != 125 {
			t.Fatalf("frame %#x of %d bytes", b0, len(got))
		}
	}
}
