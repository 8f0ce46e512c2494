//go:build linux

package netpoll

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Clients that stop after their ClientHello, from a few addresses, keep nobody else out.
func TestSilentClientsGiveWay(t *testing.T) {
	const places, each = 4, 6
	s := serveTLS(t, Options{TLSHandshakes: places, TLSTimeout: time.Hour}, echoing)
	whole := hello(t)
	for _, from := range []string{"127.0.0.2", "127.0.0.3"} {
		for range each {
			write(t, dialFrom(t, from, s.addr), whole)
		}
	}
	eventually(t, "all places are taken, and the others wait", func() bool {
		st := s.Stats()
		return st.TLSHandshakes == places && st.TLSHandshakesWaiting == 2*each-places
	})
	for range 3 * places {
		nc := dialFrom(t, "127.0.0.1", s.addr)
		if err := roundTrip(tls.Client(nc, clientTLS(tls.VersionTLS13)), []byte("hi"), make([]byte, 2)); err != nil {
			t.Fatal(err)
		}
	}
	if st := s.Stats(); st.TLSHandshakesShed == 0 || st.TLSHandshakesShed != st.TLSHandshakesFailed || st.TLSHandshakesShed > 2*each {
		t.Errorf("%+v", st)
	}
}

// While all are of one address nobody has to give way: it would gain nothing.
func TestOneAddressKeepsItsPlaces(t *testing.T) {
	s := serveTLS(t, Options{TLSHandshakes: 2, TLSTimeout: 2 * time.Second, Sweep: time.Millisecond}, echoing)
	whole := hello(t)
	for range 4 {
		write(t, dial(t, s.addr), whole)
	}
	// A handshake's goroutine counts its failure after the connection is closed.
	eventually(t, "all have failed", func() bool { st := s.Stats(); return st.Open == 0 && st.TLSHandshakesFailed == 4 })
	if st := s.Stats(); st.TLSHandshakesShed != 0 || st.TLSHandshakesTimedOut != 4 {
		t.Errorf("%+v", st)
	}
}

// Too many that wait go: of one address, and in all those of the one that has the most.
func TestTLSWaitingIsBounded(t *testing.T) {
	s := serveTLS(t, Options{TLSHandshakes: 1, TLSWaiting: 4, TLSTimeout: time.Hour}, echoing)
	s.serverHandshakes.evicts = false // no place comes free in the meantime
	whole := hello(t)
	say := func(from string) *net.TCPConn {
		nc := dialFrom(t, from, s.addr)
		write(t, nc, whole)
		return nc
	}
	say("127.0.0.2") // has the place
	eventually(t, "it is taken", func() bool { return s.Stats().TLSHandshakes == 1 })
	for i := range 2 {
		say("127.0.0.2")
		eventually(t, "it waits", func() bool { return s.Stats().TLSHandshakesWaiting == int64(i+1) })
	}
	wantEnded(t, say("127.0.0.2"))
	say("127.0.0.3")
	last := say("127.0.0.4")
	eventually(t, "four wait", func() bool { return s.Stats().TLSHandshakesWaiting == 4 })
	say("127.0.0.5")
	eventually(t, "one had to go", func() bool { st := s.Stats(); return st.TLSHandshakesShed == 2 && st.TLSHandshakesWaiting == 4 })
	s.serverHandshakes.mu.Lock()
	for from, k := range s.serverHandshakes.addrs {
		if k.waiting.Len() != 1 {
			t.Errorf("%d of %v wait", k.waiting.Len(), from)
		}
	}
	s.serverHandshakes.mu.Unlock()
	last.Close()
	eventually(t, "three wait", func() bool { return s.Stats().TLSHandshakesWaiting == 3 })
}

func wantEnded(t *testing.T, nc net.Conn) {
	t.Helper()
	if _, err := nc.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("it reads %v, want an end", err)
	}
}

// Addresses take turns, in whatever order their connections came.
func TestPlacesAreSharedByAddress(t *testing.T) {
	const many = 8
	s := serveTLS(t, Options{TLSHandshakes: 1, TLSTimeout: time.Hour}, echoing)
	s.serverHandshakes.evicts = false
	first := dialFrom(t, "127.0.0.2", s.addr)
	write(t, first, hello(t))
	eventually(t, "the place is taken", func() bool { return s.Stats().TLSHandshakes == 1 })
	order := make(chan string, many+1)
	connect := func(from string) {
		c := tls.Client(dialFrom(t, from, s.addr), clientTLS(tls.VersionTLS13))
		n := s.Stats().TLSHandshakesWaiting
		go func() {
			if err := c.Handshake(); err != nil {
				t.Error(err)
			}
			order <- from
		}()
		eventually(t, "it waits", func() bool { return s.Stats().TLSHandshakesWaiting == n+1 })
	}
	for range many {
		connect("127.0.0.2")
	}
	connect("127.0.0.3")
	first.Close()
	var got []string
	for range many + 1 {
		got = append(got, receive(t, "a handshake", order))
	}
	if i := slices.Index(got, "127.0.0.3"); i > many/2 { // the second, but who tells first is open
		t.Errorf("the only one of its address came after %d others", i)
	}
	eventually(t, "nothing is left", func() bool {
		s.serverHandshakes.mu.Lock()
		defer s.serverHandshakes.mu.Unlock()
		return len(s.serverHandshakes.addrs) == 0 && s.serverHandshakes.free == 1 && s.serverHandshakes.order.Len() == 0
	})
}

// TestHelloFlood is at full size, and runs only if it is told how many silent
// ClientHellos there shall be in a second:
//
//	HELLOS=1000 go test -run TestHelloFlood -v ./netpoll
func TestHelloFlood(t *testing.T) {
	rate, _ := strconv.Atoi(os.Getenv("HELLOS"))
	if rate == 0 {
		t.Skip("set HELLOS to a number in a second")
	}
	s := serveTLS(t, Options{}, echoing)
	f := &helloFlood{addr: s.addr, hello: hello(t), stop: make(chan struct{})}
	for i := range 4 {
		f.all.Go(func() { f.run(byte(2+i), 4*time.Second/time.Duration(rate)) })
	}
	time.Sleep(3 * time.Second) // until all places are taken
	took := honestHandshakes(t, s.addr)
	st := s.Stats()
	close(f.stop)
	f.all.Wait()
	p99 := took[len(took)*99/100]
	t.Logf("beside %d silent ClientHellos: %d handshakes and echoes, median %v, p99 %v, longest %v; %+v",
		f.sent.Load(), len(took), took[len(took)/2], p99, took[len(took)-1], st)
	if p99 > time.Second {
		t.Errorf("p99 is %v", p99)
	}
}

type helloFlood struct {
	addr  string
	hello []byte
	sent  atomic.Int64
	stop  chan struct{}
	all   sync.WaitGroup
}

// run says hello from one address, and nothing else.
func (f *helloFlood) run(from byte, every time.Duration) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, from)}}
	var conns []net.Conn
	defer func() {
		for _, nc := range conns {
			nc.Close()
		}
	}()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-f.stop:
			return
		case <-tick.C:
		}
		nc, err := d.Dial("tcp", f.addr)
		if err != nil {
			continue
		}
		f.sent.Add(1)
		_, _ = nc.Write(f.hello)
		if conns = append(conns, nc); len(conns) > 2000 { // of both sides' descriptors
			conns[0].Close()
			conns = conns[1:]
		}
	}
}

// honestHandshakes returns how long each took, sorted.
func honestHandshakes(t *testing.T, addr string) (took []time.Duration) {
	var mu sync.Mutex
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 75 {
				begin := time.Now()
				nc, err := net.Dial("tcp", addr)
				if err != nil {
					t.Error(err)
					return
				}
				_ = nc.SetDeadline(begin.Add(15 * time.Second))
				if err := roundTrip(tls.Client(nc, clientTLS(tls.VersionTLS13)), []byte("hi"), make([]byte, 2)); err != nil {
					t.Error(err)
				}
				nc.Close()
				mu.Lock()
				took = append(took, time.Since(begin))
				mu.Unlock()
			}
		})
	}
	all.Wait()
	slices.Sort(took)
	return took
}

// A client that sends a byte now and then is as silent as one that sends none.
func TestTricklingClientsGiveWay(t *testing.T) {
	const places = 2
	s := serveTLS(t, Options{TLSHandshakes: places, TLSTimeout: time.Hour}, echoing)
	whole := hello(t)
	var trickles sync.WaitGroup
	defer trickles.Wait()
	stop := make(chan struct{})
	defer close(stop)
	for range places {
		nc := dialFrom(t, "127.0.0.2", s.addr)
		write(t, nc, whole)
		trickles.Go(func() {
			defer nc.Close()
			_, err := nc.Write([]byte{23, 3, 3, 0x40, 0}) // a record of 16 KiB
			for err == nil {
				select {
				case <-stop:
					return
				case <-time.After(10 * time.Millisecond): // the client's pace
				}
				_, err = nc.Write([]byte{0})
			}
		})
	}
	eventually(t, "all places are taken", func() bool { return s.Stats().TLSHandshakes == places })
	for range places {
		nc := dialFrom(t, "127.0.0.1", s.addr)
		if err := roundTrip(tls.Client(nc, clientTLS(tls.VersionTLS13)), []byte("hi"), make([]byte, 2)); err != nil {
			t.Fatal(err)
		}
	}
	if st := s.Stats(); st.TLSHandshakesShed == 0 {
		t.Errorf("%+v", st)
	}
}

// largest returns the address with the most waiting connections, in any sequence of updates.
func TestCrowds(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var k crowds
	all := make([]handshakeAddr, 20)
	for range 20_000 {
		c := &all[rnd.IntN(len(all))]
		if c.waiting.Len() > 0 && rnd.IntN(2) == 0 {
			c.waiting.Remove(c.waiting.Front())
		} else {
			c.waiting.PushBack(new(preTLS))
		}
		k.update(c)
		most := 0
		for i := range all {
			most = max(most, all[i].waiting.Len())
		}
		if c := k.largest(); (c == nil) != (most == 0) || c != nil && c.waiting.Len() != most {
			t.Fatalf("the largest is %+v, want one of %d", c, most)
		}
	}
}

// gone is a client that is told to close.
type gone struct{ err error }

func (c *gone) Owner() netip.Addr { return netip.Addr{} }
func (c *gone) Close(err error)   { c.err = err }
func (c *gone) Again()            {}

// What is left of the handshakes that failed, without those that were shed or exceeded their time, is never more at one
// moment than later: each handshake is counted once, when it has ended.
func TestFailuresNeverFall(t *testing.T) {
	var k tlsHandshakes
	rest := func() (shed, timedOut, rest int64) {
		var s Stats
		k.count(&s)
		return s.TLSHandshakesShed, s.TLSHandshakesTimedOut, s.TLSHandshakesFailed - s.TLSHandshakesShed - s.TLSHandshakesTimedOut
	}
	check := func(shed, timedOut, other int64) {
		t.Helper()
		if a, b, c := rest(); a != shed || b != timedOut || c != other {
			t.Errorf("%d shed, %d timed out, and %d failed in another way", a, b, c)
		}
	}
	log := slog.New(slog.DiscardHandler)
	c := new(gone)
	k.close(&tlsWaiter{client: c})
	check(0, 0, 0) // it has not ended yet
	k.fail(log, fmt.Errorf("before it began: %w", c.err))
	check(1, 0, 0)
	k.fail(log, ErrTLSTimeout)
	k.fail(log, &os.PathError{Op: "read", Err: os.ErrDeadlineExceeded})
	check(1, 2, 0)
	k.fail(log, io.EOF)
	check(1, 2, 1)
}
