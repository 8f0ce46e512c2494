//go:build linux

package netpoll

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"maps"
	"net"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// hello returns a ClientHello.
func hello(t testing.TB) []byte {
	t.Helper()
	ours, theirs := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = tls.Client(ours, clientTLS(tls.VersionTLS13)).Handshake()
	}()
	buf := make([]byte, 16<<10)
	n := 0
	for !wholeRecord(buf[:n]) {
		m, err := theirs.Read(buf[n:])
		if err != nil {
			t.Fatal(err)
		}
		n += m
	}
	theirs.Close()
	<-done
	return buf[:n]
}

// Who connects and is silent, or begins and does not go on, takes no place from
// those who shake hands, and is sent away in the end.
func TestTLSFlood(t *testing.T) {
	s := serveTLS(t, Options{TLSHandshakes: 2, TLSTimeout: 2 * time.Second, Sweep: time.Millisecond}, echoing)
	half := hello(t)[:100]
	var slow []net.Conn
	for i := range 40 {
		nc := dial(t, s.addr)
		if i%2 == 1 {
			write(t, nc, half)
		}
		slow = append(slow, nc)
	}
	eventually(t, "all are accepted", func() bool { return s.Stats().Open == 40 })
	for range 10 {
		if err := roundTrip(dialTLS(t, s.addr, tls.VersionTLS13, nil), []byte("hi"), make([]byte, 2)); err != nil {
			t.Fatal(err)
		}
	}
	for _, nc := range slow {
		if _, err := nc.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !errors.Is(err, unix.ECONNRESET) {
			t.Fatalf("a silent client reads %v", err)
		}
	}
	// A failure is counted after the connection is closed.
	eventually(t, "the others stay, and 40 have failed", func() bool { st := s.Stats(); return st.Open == 10 && st.TLSHandshakesFailed == 40 })
}

// With all places taken by clients who stop in the middle, others wait for one: it
// comes when the time of the first is over.
func TestTLSPlaces(t *testing.T) {
	s := serveTLS(t, Options{TLSHandshakes: 2, TLSTimeout: time.Hour}, echoing)
	whole := hello(t)
	for range 2 {
		write(t, dial(t, s.addr), whole)
	}
	eventually(t, "all places are taken", func() bool { return s.Stats().TLSHandshakes == 2 })
	leaver := dial(t, s.addr) // waits, and goes
	write(t, leaver, whole)
	eventually(t, "one waits", func() bool { return waiting(s) == 1 })
	leaver.Close()
	eventually(t, "none waits", func() bool { return waiting(s) == 0 })
	type result struct {
		c   *tls.Conn
		err error
	}
	results := make(chan result, 3)
	for range 3 {
		go func() {
			c := tls.Client(dial(t, s.addr), clientTLS(tls.VersionTLS13))
			results <- result{c, c.Handshake()}
		}()
	}
	eventually(t, "three wait", func() bool { return waiting(s) == 3 })
	s.serverHandshakes.mu.Lock()
	running := slices.Collect(maps.Keys(s.serverHandshakes.running))
	s.serverHandshakes.mu.Unlock()
	for _, h := range running { // as if an hour had passed for these two
		h.client.Close(ErrTLSTimeout)
	}
	for range 3 {
		r := receive(t, "a place", results)
		if r.err != nil {
			t.Fatal(r.err)
		}
		if err := roundTrip(r.c, []byte("hi"), make([]byte, 2)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "all places are free", func() bool {
		s.serverHandshakes.mu.Lock()
		defer s.serverHandshakes.mu.Unlock()
		return s.serverHandshakes.free == 2 && len(s.serverHandshakes.running) == 0
	})
}

func waiting(s *server) int { return waitingIn(&s.serverHandshakes) }

func waitingIn(k *tlsHandshakes) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.waiting
}

// Far more handshakes at once than places.
func TestTLSQueue(t *testing.T) {
	s := serveTLS(t, Options{TLSHandshakes: 1, TLSWaiting: -1}, echoing)
	done := make(chan error, 50)
	for range cap(done) {
		nc := dial(t, s.addr)
		go func() {
			done <- roundTrip(tls.Client(nc, clientTLS(tls.VersionTLS13)), []byte("hi"), make([]byte, 2))
		}()
	}
	for range cap(done) {
		if err := receive(t, "an echo", done); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTLSReset(t *testing.T) {
	s := serveTLS(t, Options{}, echoing)
	whole := hello(t)
	for i, n := range []int{0, 1, 100, len(whole)} {
		nc := dial(t, s.addr)
		write(t, nc, whole[:n])
		eventually(t, "it is accepted", func() bool { return s.Stats().Accepted == int64(i+1) })
		_ = nc.SetLinger(0)
		nc.Close()
	}
	eventually(t, "all are gone", func() bool { return s.Stats().Open == 0 })
	eventually(t, "all are counted", func() bool { return s.Stats().TLSHandshakesFailed == 4 })
}

// Those who speak something else are told.
func TestTLSNot(t *testing.T) {
	s := serveTLS(t, Options{}, echoing)
	nc := dial(t, s.addr)
	write(t, nc, []byte("GET / HTTP/1.1\r\n\r\n"))
	expect(t, nc, "TLS, please\n")
	expectEnd(t, nc)
}

// A client that wants another protocol, or trusts nobody, ends its handshake.
func TestTLSRefused(t *testing.T) {
	s := serveTLS(t, Options{}, echoing)
	other := clientTLS(tls.VersionTLS13)
	other.NextProtos = []string{"other"}
	old := clientTLS(tls.VersionTLS11)
	distrusts := clientTLS(tls.VersionTLS12)
	distrusts.RootCAs = nil
	for _, config := range []*tls.Config{other, old, distrusts} {
		c := tls.Client(dial(t, s.addr), config)
		if err := c.Handshake(); err == nil {
			t.Error("the handshake succeeds")
		}
		c.Close()
	}
	eventually(t, "all have failed", func() bool { st := s.Stats(); return st.TLSHandshakesFailed == 3 && st.Open == 0 })
}

func TestTLSPanic(t *testing.T) {
	e := newEngine(t, Options{})
	config := &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { panic("oops") }}
	l := must[*Listener](t)(e.ListenTLS("127.0.0.1:0", TLS{Config: config}, func() Handler { return nil }))
	if err := tls.Client(dial(t, l.Addr().String()), clientTLS(tls.VersionTLS13)).Handshake(); err == nil {
		t.Error("the handshake succeeds")
	}
	eventually(t, "it is gone", func() bool { return e.Stats().Open == 0 })
}

// No handler, no connection.
func TestTLSNoHandler(t *testing.T) {
	e := newEngine(t, Options{})
	l := must[*Listener](t)(e.ListenTLS("127.0.0.1:0", TLS{Config: serverTLS()}, func() Handler { return nil }))
	c := dialTLS(t, l.Addr().String(), tls.VersionTLS13, nil)
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("there is something to read")
	}
	eventually(t, "it is refused", func() bool { st := e.Stats(); return st.Open == 0 && st.Refused == 1 })
	if _, err := e.ListenTLS("127.0.0.1:0", TLS{}, nil); err == nil {
		t.Error("ListenTLS without a configuration")
	}
}

// Shutdown does not wait for clients who have not shaken hands.
func TestTLSShutdown(t *testing.T) {
	s := serveTLS(t, Options{TLSHandshakes: 2, TLSTimeout: time.Hour}, echoing)
	whole := hello(t)
	for _, n := range []int{0, 50, len(whole), len(whole), len(whole)} {
		write(t, dial(t, s.addr), whole[:n])
	}
	eventually(t, "all are where they should be", func() bool {
		st := s.Stats()
		return st.Open == 5 && st.TLSHandshakes == 2 && waiting(s) == 1
	})
	s.Each(func(Handler) { t.Error("Each finds a connection that is not open") })
	ctx, cancel := context.WithTimeout(context.Background(), waitLimit)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Errorf("shutdown: %v", err)
	}
}
