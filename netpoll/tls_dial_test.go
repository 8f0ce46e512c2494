//go:build linux

package netpoll

import (
	"context"
	"crypto/tls"
	"net/netip"
	"testing"
	"time"
)

// callTLS has p connect to s.
func callTLS(t testing.TB, s *server, config *tls.Config, p *peer) {
	t.Helper()
	if err := s.DialTLS(netip.Addr{}, netip.MustParseAddrPort(s.addr), config, p); err != nil {
		t.Fatal(err)
	}
}

func TestDialTLS(t *testing.T) {
	versions(t, func(t *testing.T, version uint16) {
		s := serveTLS(t, Options{TLSHandshakes: 3}, echoing)
		got := make(chan string, 100)
		for range cap(got) {
			p := newPeer(t)
			p.onOpen = func() { p.c.Write([]byte("h"), []byte("i")) }
			p.onData = func(data []byte) int {
				if len(data) < 2 {
					return 0
				}
				got <- string(data)
				p.c.Finish(nil, waitLimit)
				return len(data)
			}
			callTLS(t, s, clientTLS(version), p)
		}
		for range cap(got) {
			if g := receive(t, "an echo", got); g != "hi" {
				t.Errorf("got %q", g)
			}
		}
		eventually(t, "all are gone", func() bool { return s.Stats().Open == 0 })
	})
}

func TestDialTLSFails(t *testing.T) {
	s := serveTLS(t, Options{TLSTimeout: 100 * time.Millisecond, Sweep: time.Millisecond}, echoing)
	config := clientTLS(tls.VersionTLS13)
	config.RootCAs = nil
	p := newPeer(t)
	callTLS(t, s, config, p)
	if err := receive(t, "OnClose", p.closed); err == nil {
		t.Error("an unknown certificate is no error")
	}
	silent := newPeer(t)
	if err := s.DialTLS(netip.Addr{}, netip.MustParseAddrPort(listener(t)), clientTLS(tls.VersionTLS13), silent); err != nil {
		t.Fatal(err)
	}
	if err := receive(t, "OnClose", silent.closed); err == nil {
		t.Error("a silent server is no error")
	}
	if s.DialTLS(netip.Addr{}, netip.MustParseAddrPort(s.addr), nil, newPeer(t)) == nil {
		t.Error("without a configuration there is no error")
	}
}

// Attempts that wait for a place, or for the server, end with the engine.
func TestDialTLSShutdown(t *testing.T) {
	s := serveTLS(t, Options{TLSHandshakes: 1}, echoing)
	to := netip.MustParseAddrPort(listener(t))
	var all []*peer
	for range 3 {
		p := newPeer(t)
		all = append(all, p)
		if err := s.DialTLS(netip.Addr{}, to, clientTLS(tls.VersionTLS13), p); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "two wait", func() bool { return waitingIn(&s.clientHandshakes) == 2 })
	ctx, cancel := context.WithTimeout(context.Background(), waitLimit)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	for _, p := range all {
		receive(t, "OnClose", p.closed)
	}
}
