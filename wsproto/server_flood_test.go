package wsproto

import (
	"io"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// floods are what strangers do to keep others out. Each opens n connections, calls
// opened, and goes on until stop is closed.
var floods = []struct {
	name  string
	full  int // connections
	limit int // of the server's
	flood func(f *flood)
}{
	{"bodies that never come", 3000, 0, func(f *flood) {
		f.each(func(i int, nc net.Conn) {
			uri := []string{"/read", "/refuse", "/nothing"}[i%3]
			f.write(nc, post(uri, "Content-Length: 100000"))
		})
	}},
	{"messages that trickle", 3000, 0, func(f *flood) {
		f.each(func(_ int, nc net.Conn) {
			f.write(nc, goodRequest("/"))
			if _, err := nc.Read(make([]byte, 4096)); err != nil {
				f.Error(err)
			}
			f.write(nc, "\x82\xff\x00\x00\x00\x00\x00\x10\x00\x00"+zeroMask+letters(f.size))
		})
		f.trickle()
	}},
	{"idle HTTP connections", 5000, 1000, func(f *flood) {
		f.each(func(_ int, nc net.Conn) {
			f.write(nc, request("GET /hello HTTP/1.1", "Host: example.test"))
			_, _ = nc.Read(make([]byte, 4096))
		})
	}},
	{"silent connections", 5000, 1000, func(f *flood) { f.each(func(int, net.Conn) {}) }},
}

type flood struct {
	*testing.T
	addr    string
	n, size int
	conns   []net.Conn
	opened  chan bool
	stop    chan bool
}

func (f *flood) each(do func(i int, nc net.Conn)) {
	for i := range f.n {
		nc, err := net.DialTimeout("tcp", f.addr, patience)
		if err != nil {
			f.Error(err)
			break
		}
		f.conns = append(f.conns, nc)
		do(i, nc)
	}
	close(f.opened)
}

// write does not mind if the server has closed the connection.
func (f *flood) write(nc net.Conn, s string) { _, _ = io.WriteString(nc, s) }

// trickle sends a byte on each connection every three seconds.
func (f *flood) trickle() {
	for {
		for _, nc := range f.conns {
			f.write(nc, "x")
		}
		select {
		case <-f.stop:
			return
		case <-time.After(3 * time.Second):
		}
	}
}

// honest connects n clients to each of the servers by turns, eight at a time, which echo
// some messages each, and returns the times that they took to connect and to echo, in
// order. None may be refused.
func honest(t *testing.T, n int, addrs ...string) [][]time.Duration {
	var mu sync.Mutex
	var all sync.WaitGroup
	turns, times := make(chan bool, 8), make([][]time.Duration, len(addrs))
	for i := range n * len(addrs) {
		which := i % len(addrs)
		turns <- true
		all.Go(func() {
			defer func() { <-turns }()
			begin := time.Now()
			p := dialPeer(t, addrs[which])
			for i := range 5 {
				if i > 0 {
					begin = time.Now()
				}
				p.expectEcho("honest")
				mu.Lock()
				times[which] = append(times[which], time.Since(begin))
				mu.Unlock()
			}
			p.nc.Close()
		})
	}
	all.Wait()
	for _, s := range times {
		slices.Sort(s)
	}
	return times
}

func p99(times []time.Duration) time.Duration { return times[len(times)*99/100] }

type usage struct {
	fds, goroutines int
	heap            uint64
}

func used() (u usage) {
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	fds, _ := os.ReadDir("/proc/self/fd")
	return usage{len(fds), runtime.NumGoroutine(), m.HeapInuse}
}

// TestFloods has honest clients connect while strangers hold what they can. With
// FANFARE_FULL=1 it is as many as the limits are meant for, with the default times, and
// tells what it measured.
func TestFloods(t *testing.T) {
	full := os.Getenv("FANFARE_FULL") != ""
	for _, tt := range floods {
		t.Run(strings.ReplaceAll(tt.name, " ", "-"), func(t *testing.T) {
			s := &Server{Handler: echo(t), HTTP: uploads(make(chan error, tt.full)), Engine: netpoll.Options{MaxConns: tt.limit}}
			f := &flood{T: t, n: tt.full, size: 34 << 10, opened: make(chan bool), stop: make(chan bool)}
			clients := 200
			if !full {
				// The limit is that of the full size: a client that is honest gives way only
				// if as many come before its request.
				f.n, clients = max(tt.full/10, tt.limit*5/4), 20
				s.Engine.Sweep = brisk.Sweep
				s.HTTPTimeout, s.MessageTimeout, s.PingInterval, s.HandshakeTimeout, s.CloseTimeout = time.Second, time.Second, time.Second/2, 3*time.Second, time.Second
			}
			f.addr = listen(t, s)
			other := listen(t, &Server{Handler: echo(t)}) // has the same machine, and nobody floods it
			quiet := honest(t, clients, f.addr)[0]
			before := used()
			done := make(chan bool)
			go func() {
				defer close(done)
				tt.flood(f)
			}()
			coming := honest(t, clients, f.addr)[0] // on the processors that open thousands more
			<-f.opened
			held := s.Stats()
			both := honest(t, clients, f.addr, other)
			during, beside := both[0], both[1]
			begin := time.Now()
			if tt.limit == 0 { // the server gets rid of them by itself
				for st := s.Stats(); st.Open+st.Detached > 0 && time.Since(begin) < 2*time.Minute; st = s.Stats() {
					time.Sleep(10 * time.Millisecond)
				}
			}
			gone := time.Since(begin)
			close(f.stop)
			<-done
			for _, nc := range f.conns {
				nc.Close()
			}
			f.conns = nil
			eventually(t, "all are gone", func() bool { st := s.Stats(); return st.Open+st.Detached == 0 })
			var after usage
			if !settles(func() bool {
				after = used()
				return after.fds <= before.fds+2 && after.goroutines < before.goroutines+20 && after.heap < before.heap+16<<20
			}) {
				t.Errorf("descriptors, goroutines and memory are %+v, and were %+v before", after, before)
			}
			t.Logf("%d connections, %d of them open at once, %d refused; p99 %v while they come, %v while they are there, %v on another server then, %v before; gone after %v; before %+v, after %+v",
				f.n, held.Open+held.Detached, s.Stats().Refused, p99(coming), p99(during), p99(beside), p99(quiet), gone.Round(time.Second/10), before, after)
			if limit := int64(s.Engine.MaxConns); limit > 0 && held.Open+held.Detached > limit+int64(s.Engine.Reserve) {
				t.Errorf("%d connections are open; the limit is %d", held.Open+held.Detached, limit)
			}
			if gone > 90*time.Second {
				t.Errorf("they were there for %v", gone)
			}
			if full && p99(during) > 3*max(p99(quiet), p99(beside)) {
				t.Errorf("p99 is %v, %v before, and %v on another server", p99(during), p99(quiet), p99(beside))
			}
			if st := s.Stats(); st.RefusedFull > 0 {
				t.Errorf("%d were refused", st.RefusedFull)
			}
		})
	}
}
