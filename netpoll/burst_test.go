//go:build linux

package netpoll

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// crowd connects n clients.
func (s *server) crowd(t testing.TB, n int) (clients []net.Conn, peers []*peer) {
	t.Helper()
	for range n {
		nc, p := s.connect(t)
		turnOver(t, p)
		clients, peers = append(clients, nc), append(peers, p)
	}
	return clients, peers
}

// burst writes to each of peers what text returns for it.
func burst(b *Burst, peers []*peer, text func(i int) string) []Outcome {
	for i, p := range peers {
		b.Add(&p.c, NewBuffer([]byte(text(i))))
	}
	return b.Write()
}

// made returns the number of rings, and whether the kernel would have none.
func (k *rings) made() (open int, refused bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.open, k.open == 0 && k.most == 0
}

// withAndWithout runs f with bursts that leave together, and for a kernel that has no rings.
func withAndWithout(t *testing.T, f func(t *testing.T, prepare func(*Engine))) {
	t.Run("together", func(t *testing.T) {
		f(t, func(e *Engine) {
			t.Cleanup(func() {
				if open, refused := e.rings.made(); open == 0 && !refused && !t.Failed() {
					t.Error("no ring was made")
				}
			})
		})
	})
	t.Run("alone", func(t *testing.T) {
		f(t, func(e *Engine) { e.rings.most = 0 })
	})
}

// Each connection gets its own, in the order of bursts; outcomes stand in that of Add.
func TestBurst(t *testing.T) {
	withAndWithout(t, func(t *testing.T, prepare func(*Engine)) {
		s := serve(t, Options{}, func(*peer) {})
		prepare(s.Engine)
		clients, peers := s.crowd(t, BurstSize)
		b := new(Burst)
		want := make([]string, BurstSize)
		for _, n := range []int{0, 1, minBurst - 1, minBurst, BurstSize - 1, BurstSize, 2, BurstSize} {
			got := burst(b, peers[:n], func(i int) string { return fmt.Sprintf("%d of %d;", i, n) })
			if len(got) != n || b.Len() != 0 {
				t.Fatalf("%d outcomes of %d writes, %d are left", len(got), n, b.Len())
			}
			for i, o := range got {
				if o != Sent {
					t.Errorf("%d of %d: %v", i, n, o)
				}
				want[i] += fmt.Sprintf("%d of %d;", i, n)
			}
		}
		total := 0
		for i, nc := range clients {
			expect(t, nc, want[i])
			total += len(want[i])
		}
		if got := s.Stats().BytesOut; got != int64(total) {
			t.Errorf("%d bytes were sent, %d counted", total, got)
		}
		for _, c := range b.conns {
			if c != nil {
				t.Fatal("an empty burst keeps a connection alive")
			}
		}
	})
}

// Full tells when Write is due.
func TestBurstFull(t *testing.T) {
	s := serve(t, Options{}, func(*peer) {})
	_, peers := s.crowd(t, 1)
	b := new(Burst)
	for i := 1; i <= BurstSize; i++ {
		if full := b.Add(&peers[0].c, NewBuffer([]byte("x"))); full != (i == BurstSize) {
			t.Errorf("after %d: %v", i, full)
		}
	}
	for i, o := range b.Write() { // the same connection again and again: it is locked once
		if o != Sent {
			t.Errorf("%d: %v", i, o)
		}
	}
}

// Those to whom a write is more than a call of the kernel get what WriteBuffer would
// have answered, and the others nothing of it.
func TestBurstOfDifferent(t *testing.T) {
	withAndWithout(t, func(t *testing.T, prepare func(*Engine)) {
		const maxPending = 1 << 20
		s := serve(t, Options{MaxPending: maxPending}, func(*peer) {})
		prepare(s.Engine)
		clients, peers := s.crowd(t, 10)
		stalled, reserved, ended, finishing, unborn := peers[1], peers[3], peers[5], peers[7], newPeer(t)
		taken := fill(t, stalled, maxPending, 1)
		x := must[*Exclusive](t)(reserved.c.Reserve())
		ended.c.Close(errTest)
		receive(t, "OnClose", ended.closed)
		finishing.c.WriteLast([]byte("bye"), nil)
		b := new(Burst)
		b.Add(&unborn.c, NewBuffer([]byte("x")))
		if o := b.Write(); o[0] != Closed {
			t.Errorf("to one that is not open yet: %v", o[0])
		}
		peers = append(peers, unborn)
		want := []Outcome{Sent, Full, Sent, Queued, Sent, Closed, Sent, Closed, Sent, Sent, Closed}
		text := func(int) string { return string(make([]byte, 9<<10)) }
		for i, o := range burst(b, peers, text) {
			if o != want[i] {
				t.Errorf("%d: %v, want %v", i, o, want[i])
			}
		}
		x.Release()
		for _, i := range []int{0, 2, 3, 4, 6, 8, 9} {
			expect(t, clients[i], text(i))
		}
		expect(t, clients[7], "bye")
		for range sum(taken) {
			if _, _, err := readRecord(clients[1]); err != nil {
				t.Fatal(err)
			}
		}
		if _, refused := s.rings.made(); refused {
			return
		}
		for i, o := range burst(b, []*peer{peers[0], peers[2], peers[4], peers[6]}, func(int) string { return string(make([]byte, maxPending+1)) }) {
			if o != Full {
				t.Errorf("more than may be pending, %d: %v", i, o)
			}
		}
	})
}

// What the socket does not take of a burst is queued, by reference, and leaves.
func TestBurstQueued(t *testing.T) {
	withAndWithout(t, func(t *testing.T, prepare func(*Engine)) {
		const size = 1 << 20
		s := serve(t, Options{MaxPending: 64 * size}, func(*peer) {})
		prepare(s.Engine)
		clients, peers := s.crowd(t, minBurst)
		data := make([]byte, size)
		pattern(data, 0)
		shared := NewBuffer(data)
		b := new(Burst)
		writes := 0
		for queued := 0; queued < minBurst; writes++ {
			for _, p := range peers {
				b.Add(&p.c, shared)
			}
			queued = 0
			for _, o := range b.Write() {
				switch o {
				case Queued:
					queued++
				case Sent:
				default:
					t.Fatal(o)
				}
			}
		}
		if n := peers[0].c.Pending(); n == 0 || s.Stats().Queued < int64(n) {
			t.Errorf("%d bytes are pending, %d in all", n, s.Stats().Queued)
		}
		got := make([]byte, size)
		for i, nc := range clients {
			bound(nc)
			for range writes {
				if _, err := io.ReadFull(nc, got); err != nil || !bytes.Equal(got, data) {
					t.Fatalf("%d: %v", i, err)
				}
			}
		}
		eventually(t, "nothing is queued", func() bool { return s.Stats().Queued == 0 })
	})
}

// A connection that is dead without anybody having noticed fails alone, and is closed.
func TestBurstToTheDead(t *testing.T) {
	withAndWithout(t, func(t *testing.T, prepare func(*Engine)) {
		s := serve(t, Options{}, func(*peer) {})
		prepare(s.Engine)
		clients, peers := s.crowd(t, 8)
		if err := syscall.Shutdown(int(peers[2].c.fd), syscall.SHUT_WR); err != nil { // as if it had failed
			t.Fatal(err)
		}
		b := new(Burst)
		for i, o := range burst(b, peers, func(int) string { return "hello" }) {
			if want := map[bool]Outcome{true: Closed, false: Sent}[i == 2]; o != want {
				t.Errorf("%d: %v, want %v", i, o, want)
			}
		}
		if err := receive(t, "OnClose", peers[2].closed); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("closed with %v", err)
		}
		for i, nc := range clients {
			if i != 2 {
				expect(t, nc, "hello")
			}
		}
	})
}

// What has to be encrypted leaves by itself.
func TestBurstTLS(t *testing.T) {
	s := serveTLS(t, Options{}, func(*peer) {})
	var clients []net.Conn
	var peers []*peer
	for range minBurst {
		clients = append(clients, dialTLS(t, s.addr, 0, nil))
		peers = append(peers, receive(t, "OnOpen", s.new))
		turnOver(t, peers[len(peers)-1])
	}
	for i, o := range burst(new(Burst), peers, func(i int) string { return "secret" }) {
		if o != Sent {
			t.Errorf("%d: %v", i, o)
		}
	}
	for _, nc := range clients {
		expect(t, nc, "secret")
	}
}

// Bursts to the same connections in opposite orders, beside writes, echoes and closing:
// nobody waits for ever, and nothing is lost or mixed up.
func TestBurstsBesideOthers(t *testing.T) {
	const conns, writers, rounds = BurstSize, 4, 300
	s := serve(t, Options{}, func(p *peer) {
		p.onData = func(data []byte) int {
			p.c.Write(nil, data) // Closed, for some
			return len(data)
		}
	})
	clients, peers := s.crowd(t, conns)
	var sent [conns][writers + 2]atomic.Int32 // outcomes that were OK; the last two are single writes and echoes
	var echoed [conns]atomic.Int32
	var readers, all sync.WaitGroup
	for i, nc := range clients {
		readers.Go(func() {
			var got [writers + 2]int
			for {
				w, n, err := readRecord(nc)
				if err != nil {
					if i%8 != 0 && err != io.EOF {
						t.Error(err)
					}
					break
				}
				if n != got[w] {
					t.Errorf("connection %d: number %d of writer %d after %d of them", i, n, w, got[w])
					break
				}
				if got[w]++; w == writers+1 {
					echoed[i].Add(1)
				}
			}
			for w := range got {
				if want := int(sent[i][w].Load()); i%8 != 0 && got[w] != want {
					t.Errorf("connection %d has %d of writer %d, %d were sent", i, got[w], w, want)
				}
			}
		})
	}
	for w := range writers {
		all.Go(func() {
			b := new(Burst)
			for round := range rounds {
				for k := range conns {
					i := k
					if w%2 != 0 {
						i = conns - 1 - k
					}
					b.Add(&peers[i].c, NewBuffer(record(w, int(sent[i][w].Load()), (round+k)%200)))
				}
				for k, o := range b.Write() {
					i := k
					if w%2 != 0 {
						i = conns - 1 - k
					}
					if o.OK() {
						sent[i][w].Add(1)
					} else if i%8 != 0 {
						t.Errorf("connection %d: %v", i, o)
					}
				}
			}
		})
	}
	all.Go(func() {
		for range rounds {
			for i, p := range peers {
				if p.c.Write(nil, record(writers, int(sent[i][writers].Load()), 10)).OK() {
					sent[i][writers].Add(1)
				}
			}
		}
	})
	all.Go(func() {
		for round := range rounds {
			for i, nc := range clients {
				if _, err := nc.Write(record(writers+1, round, 20)); err == nil {
					sent[i][writers+1].Add(1)
				} else if i%8 != 0 {
					t.Error(err)
				}
			}
			if i := 8 * round; i < conns {
				peers[i].c.Close(errTest)
			}
		}
	})
	all.Wait()
	eventually(t, "all echoes are there", func() bool {
		for i := range conns {
			if i%8 != 0 && echoed[i].Load() < sent[i][writers+1].Load() && !t.Failed() {
				return false
			}
		}
		return true
	})
	for _, p := range peers {
		p.c.Finish(nil, patience)
	}
	readers.Wait()
}

// A delivery in a burst allocates nothing.
func TestBurstAllocations(t *testing.T) {
	s := serve(t, Options{}, func(*peer) {})
	clients, peers := s.crowd(t, BurstSize)
	b, data, buf := new(Burst), NewBuffer(make([]byte, 128)), make([]byte, 128)
	checkAllocations(t, 300, func() {
		for _, p := range peers {
			b.Add(&p.c, data)
		}
		for _, o := range b.Write() {
			if o != Sent {
				t.Error(o)
			}
		}
		for _, nc := range clients {
			if _, err := io.ReadFull(nc, buf); err != nil {
				t.Error(err)
			}
		}
	})
}

// Rings are bounded, used again, and gone after the end.
func TestRings(t *testing.T) {
	e := newEngine(t, Options{Loops: 2})
	k := &e.rings
	var hired []ring
	for {
		r, ok := k.hire()
		if !ok {
			break
		}
		hired = append(hired, r)
	}
	if len(hired) == 0 {
		t.Skip("this kernel has no io_setup, or has given all of fs.aio-max-nr away")
	}
	if len(hired) > 2*2 {
		t.Errorf("%d rings for 2 loops", len(hired))
	}
	late := hired[0]
	for _, r := range hired[1:] {
		k.dismiss(r)
	}
	if r, ok := k.hire(); len(hired) > 1 && !ok {
		t.Error("an idle ring is not used")
	} else if ok {
		k.dismiss(r)
	}
	k.end()
	if open, _ := k.made(); open != 1 {
		t.Errorf("%d are left beside the one in use", open-1)
	}
	k.dismiss(late)
	if open, _ := k.made(); open != 0 {
		t.Errorf("%d rings after the end", open)
	}
	if _, ok := k.hire(); ok {
		t.Error("a ring after the end")
	}
	if err := new(calls).tryOn(late); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("the kernel still has it: %v", err)
	}
}

// tryOn submits nothing to r.
func (c *calls) tryOn(r ring) error {
	_, _, errno := syscall.RawSyscall(syscall.SYS_IO_SUBMIT, uintptr(r), 0, 0)
	return os.NewSyscallError("io_submit", errno)
}

// A ring that is refused is no harm: what it should have written is written.
func TestBurstOnBrokenRing(t *testing.T) {
	s := serve(t, Options{}, func(*peer) {})
	clients, peers := s.crowd(t, minBurst)
	s.rings.idle, s.rings.open = []ring{1}, 1 // no such context
	for i, o := range burst(new(Burst), peers, func(int) string { return "hello" }) {
		if o != Sent {
			t.Errorf("%d: %v", i, o)
		}
	}
	for _, nc := range clients {
		expect(t, nc, "hello")
	}
}
