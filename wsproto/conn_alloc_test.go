//go:build !race

package wsproto

import (
	"fmt"
	"io"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// allocs returns the allocations of the whole process while f runs.
func allocs(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.Mallocs - before.Mallocs
}

// TestAllocEcho counts what the server allocates for messages that it echoes. The
// client writes bytes it has made before and reads into one buffer.
func TestAllocEcho(t *testing.T) {
	for _, tt := range []struct {
		name  string
		batch int // messages under way
		size  int
	}{{"one", 1, 128}, {"many", 16, 128}, {"large", 4, 8000}, {"text", 1, 300}} {
		t.Run(tt.name, func(t *testing.T) {
			const messages = 16_000
			s := &Server{Handler: &Funcs{Message: func(c *Conn, op Opcode, p []byte) { c.Send(op, p) }}}
			p := dialPeer(t, listen(t, s))
			frame := binmsg(letters(tt.size))
			if tt.name == "text" {
				frame = text(letters(tt.size))
			}
			out := []byte(strings.Repeat(frame, tt.batch))
			in := make([]byte, len(out)-4*tt.batch) // without the masks
			round := func() {
				if _, err := p.nc.Write(out); err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(p.nc, in); err != nil {
					t.Fatal(err)
				}
			}
			for range 100 { // workers are hired, pools filled
				round()
			}
			n := allocs(func() {
				for range messages / tt.batch {
					round()
				}
			})
			t.Logf("%d allocations for %d messages", n, messages)
			// The runtime and the pool of workers allocate now and then.
			if n > messages/100 {
				t.Errorf("%d allocations for %d messages", n, messages)
			}
		})
	}
}

// TestAllocSendPrepared counts what a delivery allocates.
func TestAllocSendPrepared(t *testing.T) {
	conns := make(chan *Conn, 1)
	s := &Server{Handler: &Funcs{Open: func(c *Conn, _ *Request) { conns <- c }}}
	p := dialPeer(t, listen(t, s))
	c := next(t, conns)
	message := Join(Prepare(Text, []byte(letters(128))), Prepare(Binary, []byte(letters(300))))
	in := make([]byte, message.Len())
	const deliveries = 10_000
	n := allocs(func() {
		for range deliveries {
			if o := c.SendPrepared(message); !o.OK() {
				t.Fatal(o)
			}
			if _, err := io.ReadFull(p.nc, in); err != nil {
				t.Fatal(err)
			}
		}
	})
	t.Logf("%d allocations for %d deliveries", n, deliveries)
	if n > deliveries/100 {
		t.Errorf("%d allocations for %d deliveries", n, deliveries)
	}
}

// TestAllocDeflate counts what compressing a message allocates.
func TestAllocDeflate(t *testing.T) {
	corpus := corpora["report"](t)
	for _, level := range []int{1, 5, 6} {
		for _, n := range []int{1 << 10, 32 << 10} {
			t.Run(fmt.Sprintf("level %d, %d bytes", level, n), func(t *testing.T) {
				const messages = 300
				k := (&Compression{Level: level}).withDefaults()
				window := corpus[:32<<10]
				round := func(i int) {
					p := corpus[100*i%1000:][:n]
					if d := k.smaller(p, 15); d != nil {
						d.free()
					}
					k.deflate(p, window, 12).free()
				}
				for i := range messages { // pools are filled
					round(i)
				}
				count := uint64(math.MaxUint64)
				for range 3 { // now and then a pool makes another deflater, which allocates 40 times
					count = min(count, allocs(func() {
						for i := range messages {
							round(i)
						}
					}))
				}
				t.Logf("%d allocations for %d messages", count, 2*messages)
				if count > messages/2 {
					t.Errorf("%d allocations for %d messages", count, 2*messages)
				}
			})
		}
	}
}

// TestTakeoverMemory measures what Compression says that a connection with
// takeover keeps, and that one without keeps nothing. One worker: a second
// would be hired some time.
func TestTakeoverMemory(t *testing.T) {
	for _, tt := range []struct {
		k   Compression
		max int // bytes for each connection
	}{
		{Compression{}, 50},
		{Compression{Takeover: true}, 2<<15 + 300},
		{Compression{Takeover: true, WindowBits: 10}, 2<<10 + 300},
	} {
		t.Run(fmt.Sprintf("%+v", tt.k), func(t *testing.T) {
			const conns = 200
			one := netpoll.Options{Loops: 1, Workers: 1}
			addr := listen(t, &Server{Handler: echo(t), Compression: &tt.k, Engine: one})
			msg := greek(40_000)
			frame := masked(textDeflated, squeeze(t, msg))
			var peers []*peer
			for range conns {
				p := dialTCP(t, addr)
				p.offer(deflateName + "; client_max_window_bits")
				peers = append(peers, p)
			}
			heap := func() int { // the least of several: what others allocate meanwhile goes again
				least := math.MaxInt
				for range 4 {
					var m runtime.MemStats
					runtime.GC()
					runtime.GC() // pools have a second chance
					runtime.ReadMemStats(&m)
					least = min(least, int(m.HeapAlloc))
				}
				return least
			}
			for range 10 { // pools are filled
				peers[0].send(frame)
				peers[0].frame()
			}
			before := heap()
			for _, p := range peers[1:] {
				p.send(frame)
				p.frame()
			}
			each := (heap() - before) / (conns - 1)
			t.Logf("%d bytes for each connection", each)
			if each > tt.max {
				t.Errorf("%d bytes for each connection, want at most %d", each, tt.max)
			}
			runtime.KeepAlive(peers)
		})
	}
}
