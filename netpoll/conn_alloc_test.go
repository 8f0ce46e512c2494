//go:build linux

package netpoll

import (
	"io"
	"runtime"
	"runtime/debug"
	"testing"
	"time"
	"unsafe"
)

// There is one Conn for every client, so its size must not grow by accident.
func TestConnSize(t *testing.T) {
	const most = 72
	size := unsafe.Sizeof(Conn{})
	t.Logf("a Conn has %d bytes", size)
	if size > most {
		t.Errorf("a Conn has %d bytes, more than %d", size, most)
	}
}

// allocations returns how many objects the process allocates in f. The garbage
// collector rests meanwhile, so that what is pooled stays.
func allocations(f func()) uint64 {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.Mallocs - before.Mallocs
}

// checkAllocations has f run n times after it has run some times, and fails if
// that allocates for each run. A few objects in all are the runtime's own.
func checkAllocations(t *testing.T, n int, f func()) {
	t.Helper()
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	least := ^uint64(0)
	for range 3 { // other goroutines of the process may allocate, too
		for range n / 10 {
			f()
		}
		if least = min(least, allocations(func() {
			for range n {
				f()
			}
		})); least <= uint64(n/50) {
			return
		}
	}
	t.Errorf("%d allocations for %d messages", least, n)
}

func TestEchoAllocations(t *testing.T) {
	s := serve(t, Options{}, echoing)
	nc := dial(t, s.addr)
	data, buf := make([]byte, 128), make([]byte, 128)
	checkAllocations(t, 3000, func() {
		if err := roundTrip(nc, data, buf); err != nil {
			t.Error(err)
		}
	})
}

// A delivery that the socket takes allocates nothing, in a turn or outside.
func TestDeliveryAllocations(t *testing.T) {
	s := serve(t, Options{}, func(*peer) {})
	nc, p := s.connect(t)
	b, buf := NewBuffer(make([]byte, 128)), make([]byte, 128)
	checkAllocations(t, 3000, func() {
		if o := p.c.WriteBuffer(b); o != Sent {
			t.Errorf("a write to an empty socket: %v", o)
		}
		if _, err := io.ReadFull(nc, buf); err != nil {
			t.Error(err)
		}
	})
}

// An idle connection keeps nothing but its Conn: neither a tail nor a queue.
func TestIdleConnKeepsNothing(t *testing.T) {
	s := serve(t, Options{Sweep: quickSweep, MaxPending: 1 << 20}, func(p *peer) {
		p.onOpen = func() { p.c.SetDeadline(time.Millisecond) }
		p.onData = p.echo
	})
	nc, p := s.connect(t)
	for range sum(fill(t, p, 1<<20, 2)) {
		if _, _, err := readRecord(nc); err != nil {
			t.Fatal(err)
		}
	}
	if err := roundTrip(nc, []byte("hello"), make([]byte, 16)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is idle", func() bool { return p.c.state.Load() == 0 && p.c.expires.Load() == 0 })
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	if p.c.out != nil || p.c.cold != nil {
		t.Errorf("out is %v, rare is %v", p.c.out, p.c.cold)
	}
}
