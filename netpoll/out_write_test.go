//go:build linux

package netpoll

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fanfare-ws/fanfare/netpoll/internal/sys"
)

// segments returns how many segments with data the connection has sent.
func (p *peer) segments() uint32 {
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	info, err := unix.GetsockoptTCPInfo(int(p.c.fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		p.t.Error(err)
		return 0
	}
	return info.Data_segs_out
}

// The writes of one turn leave in one segment, though Nagle's algorithm is off.
func TestGather(t *testing.T) {
	s := serve(t, Options{}, func(p *peer) {
		p.onData = func(data []byte) int {
			for i := range data {
				if o := p.c.Write([]byte("<"), data[i:i+1]); o != Queued {
					t.Errorf("a write in a turn: %v, want queued", o)
				}
			}
			if n := p.c.Pending(); n != 2*len(data) {
				t.Errorf("%d bytes are pending, want %d", n, 2*len(data))
			}
			return len(data)
		}
	})
	nc, p := s.connect(t)
	for i := range uint32(5) {
		write(t, nc, []byte("abcdefgh"))
		expect(t, nc, "<a<b<c<d<e<f<g<h")
		if n := p.segments(); n != i+1 {
			t.Fatalf("%d segments for %d turns", n, i+1)
		}
	}
}

// What does not fit into the worker's buffer goes after what did, in order.
func TestGatherOverflow(t *testing.T) {
	const size = 4096
	s := serve(t, Options{ReadBuffer: size}, func(p *peer) {
		p.onData = func(data []byte) int {
			for _, n := range []int{100, size - 200, 200, 3 * size, 50, size} {
				if o := p.c.Write(nil, bytes.Repeat([]byte{byte('a' + n%26)}, n)); !o.OK() {
					t.Errorf("%d bytes: %v", n, o)
				}
				p.c.WriteBuffer(NewBuffer([]byte("|")))
			}
			return len(data)
		}
	})
	nc, _ := s.connect(t)
	write(t, nc, []byte("x"))
	for _, n := range []int{100, size - 200, 200, 3 * size, 50, size} {
		expect(t, nc, string(bytes.Repeat([]byte{byte('a' + n%26)}, n))+"|")
	}
}

// What was gathered counts as pending only if the socket does not take it.
func TestGatheredIsNotFull(t *testing.T) {
	outcomes := make(chan Outcome, 2)
	s := serve(t, Options{MaxPending: 4096, ReadBuffer: 4096}, func(p *peer) {
		p.onData = func(data []byte) int {
			for range 2 {
				outcomes <- p.c.Write(nil, make([]byte, 3000))
			}
			return len(data)
		}
	})
	nc, _ := s.connect(t)
	write(t, nc, []byte("x"))
	expect(t, nc, string(make([]byte, 6000)))
	for range 2 {
		if o := <-outcomes; !o.OK() {
			t.Errorf("a write to an empty socket: %v", o)
		}
	}
}

// What the socket does not take at the end of a turn stays, as the connection's
// own, and goes later.
func TestGatherLeftOver(t *testing.T) {
	const size = 60 << 10
	turns := make(chan int, 1)
	written := 0
	s := serve(t, Options{}, func(p *peer) {
		p.onData = func(data []byte) int {
			answer := make([]byte, size)
			pattern(answer, written)
			p.echo(answer)
			written += size
			turns <- written
			return len(data)
		}
	})
	nc, p := s.connect(t)
	total := 0
	for p.c.Pending() == 0 {
		write(t, nc, []byte("x"))
		total = receive(t, "OnData", turns)
		turnOver(t, p)
	}
	got, want := make([]byte, total), make([]byte, total)
	pattern(want, 0)
	expectChunk(t, nc, got, want, 0)
	eventually(t, "nothing is queued", func() bool { return s.Stats().Queued == 0 })
}

// The monitor's second look sends what a handler wrote before it blocked: at the first
// look the turn might just have begun.
func TestGatherOfBlockedHandler(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	s := serveStepped(t, Options{}, func(p *peer) {
		p.onData = func(data []byte) int {
			p.c.Write(nil, []byte("first"))
			entered <- struct{}{}
			<-release
			p.c.Write(nil, []byte("second"))
			return len(data)
		}
	})
	nc, p := s.connect(t)
	for range 5 {
		write(t, nc, []byte("x"))
		receive(t, "OnData", entered)
		for look, want := range []int{5, 5, 0} {
			if look > 0 {
				s.monitor.look()
			}
			if n := p.c.Pending(); n != want {
				t.Fatalf("%d bytes are pending after %d looks of the monitor, want %d", n, look, want)
			}
		}
		expect(t, nc, "first")
		release <- struct{}{}
		expect(t, nc, "second")
		turnOver(t, p)
	}
}

// Writes of other goroutines join those of the turn, and keep their order after
// the turn was cut short.
func TestGatherFromOutside(t *testing.T) {
	release := make(chan struct{})
	s := serve(t, Options{}, func(p *peer) {
		p.onData = func(data []byte) int {
			p.c.Write(nil, []byte("a"))
			<-release
			p.c.Write(nil, []byte("d"))
			return len(data)
		}
	})
	nc, p := s.connect(t)
	write(t, nc, []byte("x"))
	expect(t, nc, "a") // the handler blocks, the gathering is over
	for _, b := range []string{"b", "c"} {
		if o := p.c.Write(nil, []byte(b)); o != Sent {
			t.Errorf("a write outside the gathering: %v, want sent", o)
		}
	}
	release <- struct{}{}
	expect(t, nc, "bcd")
}

// record is what the writers of TestWritersOfStalledPeer send: writer, number,
// length, and that many bytes.
const recordHeader = 12

func record(writer, number, n int) []byte {
	p := make([]byte, recordHeader+n)
	binary.BigEndian.PutUint32(p, uint32(writer))
	binary.BigEndian.PutUint32(p[4:], uint32(number))
	binary.BigEndian.PutUint32(p[8:], uint32(n))
	pattern(p[recordHeader:], writer*1000+number)
	return p
}

// readRecord reads one record and checks its bytes.
func readRecord(r io.Reader) (writer, number int, err error) {
	var head [recordHeader]byte
	if _, err = io.ReadFull(r, head[:]); err != nil {
		return 0, 0, err
	}
	writer, number = int(binary.BigEndian.Uint32(head[:])), int(binary.BigEndian.Uint32(head[4:]))
	n := int(binary.BigEndian.Uint32(head[8:]))
	body := make([]byte, n)
	if _, err = io.ReadFull(r, body); err != nil {
		return writer, number, err
	}
	if !bytes.Equal(body, record(writer, number, n)[recordHeader:]) {
		return writer, number, errors.New("not what was written")
	}
	return writer, number, nil
}

// fill has writers write until each was refused, and returns how many records of
// each were taken.
func fill(t *testing.T, p *peer, maxPending, writers int) []int {
	taken := make([]int, writers)
	var queued atomic.Bool
	var wg sync.WaitGroup
	for w := range taken {
		wg.Go(func() {
			for i := 0; ; i++ {
				rec := record(w, i, (w*977+i*131)%9000)
				var o Outcome
				if w%2 == 0 {
					o = p.c.WriteBuffer(NewBuffer(rec))
				} else {
					o = p.c.Write(rec[:recordHeader], rec[recordHeader:])
				}
				if n := p.c.Pending(); n > maxPending {
					t.Errorf("%d bytes are pending, more than %d", n, maxPending)
				}
				switch o {
				case Full:
					taken[w] = i
					return
				case Queued:
					queued.Store(true)
				case Closed:
					t.Error("closed")
					return
				}
			}
		})
	}
	wg.Wait()
	if !queued.Load() {
		t.Error("no write was queued")
	}
	return taken
}

func TestWritersOfStalledPeer(t *testing.T) {
	const writers, maxPending = 8, 1 << 20
	s := serve(t, Options{MaxPending: maxPending}, func(*peer) {})
	nc, p := s.connect(t)
	for range 2 { // the queue works again after it was full
		taken := fill(t, p, maxPending, writers)
		if q := s.Stats().Queued; q == 0 || q != int64(p.c.Pending()) {
			t.Errorf("%d bytes are queued, the connection says %d", q, p.c.Pending())
		}
		next := make([]int, writers)
		for total := sum(taken); total > 0; total-- {
			w, i, err := readRecord(nc)
			if err != nil {
				t.Fatal(err)
			}
			if w >= writers || i != next[w] {
				t.Fatalf("record %d of writer %d, want %v", i, w, next)
			}
			next[w]++
		}
		eventually(t, "nothing is queued", func() bool { return s.Stats().Queued == 0 && p.c.Pending() == 0 })
	}
	p.c.Close(nil)
	expectEnd(t, nc) // a refused write has left nothing behind
}

func sum(v []int) (n int) {
	for _, x := range v {
		n += x
	}
	return n
}

// The queue of a connection that is closed is counted out.
func TestQueuedOfClosedPeer(t *testing.T) {
	s := serve(t, Options{MaxPending: 1 << 20}, func(*peer) {})
	_, p := s.connect(t)
	fill(t, p, 1<<20, 2)
	p.c.Close(nil)
	receive(t, "OnClose", p.closed)
	if q := s.Stats().Queued; q != 0 {
		t.Errorf("%d bytes are queued", q)
	}
}

// Writes of nothing to a peer who stalls leave nothing to send.
func TestEmptyWrites(t *testing.T) {
	s := serve(t, Options{MaxPending: 1 << 20}, func(*peer) {})
	nc, p := s.connect(t)
	taken := fill(t, p, 1<<20, 2)
	before := p.c.Pending()
	for range 2 * sys.MaxIovecs {
		p.c.WriteBuffer(NewBuffer(nil))
		p.c.Write(nil, nil)
	}
	if n := p.c.Pending(); n > before {
		t.Errorf("%d bytes are pending, %d before", n, before)
	}
	p.c.WriteLast([]byte("bye"), nil)
	for range sum(taken) {
		if _, _, err := readRecord(nc); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, nc, "bye")
}

func TestWriteTooLong(t *testing.T) {
	s := serve(t, Options{MaxPending: 4096}, func(*peer) {})
	nc, p := s.connect(t)
	if o := p.c.Write(make([]byte, 4000), make([]byte, 97)); o != Full {
		t.Errorf("one byte too many: %v, want full", o)
	}
	if o := p.c.Write(make([]byte, 4000), make([]byte, 96)); !o.OK() {
		t.Errorf("as much as is allowed: %v", o)
	}
	if o := p.c.Write(nil, nil); !o.OK() {
		t.Errorf("nothing: %v", o)
	}
	expect(t, nc, string(make([]byte, 4096)))
}

// WriteLast goes behind what is pending, whatever the bound, and is the last;
// reading goes on.
func TestWriteLast(t *testing.T) {
	errLast := errors.New("last")
	got := make(chan string, 10)
	s := serve(t, Options{MaxPending: 1 << 20}, func(p *peer) {
		p.onData = func(data []byte) int {
			got <- string(data)
			return len(data)
		}
	})
	nc, p := s.connect(t)
	taken := fill(t, p, 1<<20, 2)
	if !p.c.WriteLast([]byte("bye"), errLast) {
		t.Error("WriteLast was refused")
	}
	if p.c.WriteLast([]byte("again"), nil) {
		t.Error("a second WriteLast was taken")
	}
	if o := p.c.Write(nil, []byte("x")); o != Closed {
		t.Errorf("a write after WriteLast: %v, want closed", o)
	}
	for range sum(taken) {
		if _, _, err := readRecord(nc); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, nc, "bye")
	write(t, nc, []byte("answer"))
	if g := receive(t, "OnData", got); g != "answer" {
		t.Errorf("read %q", g)
	}
	nc.Close()
	if err := receive(t, "OnClose", p.closed); err != errLast {
		t.Errorf("closed with %v, want %v", err, errLast)
	}
}

func TestWriteLastInTurn(t *testing.T) {
	s := serve(t, Options{}, func(p *peer) {
		p.onData = func(data []byte) int {
			p.c.Write(nil, []byte("one "))
			p.c.WriteLast([]byte("two"), nil)
			if o := p.c.Write(nil, []byte("three")); o != Closed {
				t.Errorf("a write after WriteLast: %v, want closed", o)
			}
			p.c.Finish(nil, waitLimit)
			return len(data)
		}
	})
	nc, _ := s.connect(t)
	write(t, nc, []byte("x"))
	expect(t, nc, "one two")
	expectEnd(t, nc)
}

func TestOutcome(t *testing.T) {
	for o, want := range map[Outcome]string{Sent: "sent", Queued: "queued", Full: "full", Closed: "closed", 9: "unknown"} {
		if o.String() != want || o.OK() != (o == Sent || o == Queued) {
			t.Errorf("%d: %q, %v", o, o, o.OK())
		}
	}
}

// Large writes make the kernel take more; a shared buffer makes it take less again, for
// there the kernel would hold a copy for each connection.
func TestWiden(t *testing.T) {
	s := serve(t, Options{MaxPending: 64 << 20}, func(*peer) {})
	nc, p := s.connect(t)
	turnOver(t, p)
	lowat := func() int {
		p.c.mu.Lock()
		defer p.c.mu.Unlock()
		n, err := unix.GetsockoptInt(int(p.c.fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := lowat(); n != 64<<10 {
		t.Fatalf("%d at the beginning", n)
	}
	p.c.Write(nil, make([]byte, 1000))
	if n := lowat(); n != 64<<10 {
		t.Fatalf("%d after a small write", n)
	}
	size := 1000
	for p.c.Pending() == 0 { // until the socket is full
		p.c.Write([]byte("head"), make([]byte, 1<<20))
		size += 4 + 1<<20
	}
	if n := lowat(); n != wideLowat {
		t.Fatalf("%d after a large write", n)
	}
	p.c.WriteBuffer(NewBuffer(make([]byte, 1<<20)))
	size += 1 << 20
	if n := lowat(); n != 64<<10 {
		t.Fatalf("%d after a shared one", n)
	}
	if _, err := io.CopyN(io.Discard, nc, int64(size)); err != nil {
		t.Error(err)
	}
}
