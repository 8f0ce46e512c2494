//go:build linux

package netpoll

import (
	"crypto/tls"
	"net"
	"testing"
	"time"
)

// However far a client has come before it went silent, its place is for others.
func TestEarlyConnectionsMakeRoom(t *testing.T) {
	const most = 8
	whole := hello(t)
	for name, silent := range map[string]struct {
		says   []byte
		places int
	}{
		"nothing said":        {nil, most},
		"half a ClientHello":  {whole[:100], most},
		"a whole ClientHello": {whole, most},
		"waiting for a place": {whole, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := serveTLS(t, Options{MaxConns: most, TLSHandshakes: silent.places, TLSTimeout: time.Hour}, echoing)
			for range 5 * most {
				nc := dialFrom(t, "127.0.0.2", s.addr)
				_, _ = nc.Write(silent.says) // it may have been refused
			}
			eventually(t, "all were accepted", func() bool { return s.Stats().Accepted == 5*most })
			for range most {
				eventually(t, "an honest client gets through", func() bool {
					nc := must[net.Conn](t)(net.Dial("tcp", s.addr))
					t.Cleanup(func() { nc.Close() })
					_ = nc.SetDeadline(time.Now().Add(waitLimit))
					return roundTrip(tls.Client(nc, clientTLS(tls.VersionTLS13)), []byte("hi"), make([]byte, 2)) == nil
				})
			}
			if st := s.Stats(); st.Open > most {
				t.Errorf("%+v", st)
			}
			// A handshake's goroutine counts its failure after the connection is closed.
			eventually(t, "as many gave way", func() bool { return s.Stats().TLSHandshakesShed >= most })
			if st := s.Stats(); silent.says == nil && st.RefusedFull > 0 {
				t.Errorf("%d were refused", st.RefusedFull)
			}
			eventually(t, "nothing is kept of those that left", func() bool {
				k := &s.serverHandshakes
				k.mu.Lock()
				defer k.mu.Unlock()
				return k.awaitingHello.Len() == 0 && k.quiet.Len() == 0 && len(k.crowds) == 0
			})
		})
	}
}

// An address that has all that it may have makes nobody leave.
func TestOneAddressMakesNoRoom(t *testing.T) {
	s := serveTLS(t, Options{MaxConns: 4, MaxConnsPerAddr: 2, TLSTimeout: time.Hour}, echoing)
	for _, from := range []string{"127.0.0.2", "127.0.0.2", "127.0.0.3", "127.0.0.4"} {
		dialFrom(t, from, s.addr)
	}
	for range 5 {
		wantEnded(t, dialFrom(t, "127.0.0.2", s.addr))
	}
	if st := s.Stats(); st.Refused != 5 || st.TLSHandshakesShed != 0 || st.Open != 4 {
		t.Errorf("%+v", st)
	}
}
