//go:build linux

package netpoll

import (
	"crypto/tls"
	"testing"
	"time"
)

// What a turn gathered stays its connection's when TLS has to answer, here with an
// alert, and the socket has no room for that.
func TestTLSAnswerToFullSocket(t *testing.T) {
	const size = minReadBuffer
	s := serveTLS(t, Options{Loops: 1, Workers: 1, ReadBuffer: size}, func(p *peer) {
		p.onData = func(data []byte) int {
			p.c.Write(nil, []byte("secret"))
			return len(data)
		}
	})
	other := must[*Listener](t)(s.Listen("127.0.0.1:0", func() Handler {
		p := newPeer(t)
		p.onData = p.echo
		return p
	}))
	b := &batch{Conn: dial(t, s.addr)}
	c := tls.Client(b, clientTLS(tls.VersionTLS13))
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	p := receive(t, "OnOpen", s.new)
	eventually(t, "the turn is over", func() bool { return p.c.state.Load() == 0 })
	for full := 0; full < 10; full++ { // what TLS has to do with it the client never learns
		p.c.mu.Lock()
		if n, errno := send(p.c.fd, make([]byte, 4<<10)); errno == 0 && n > 0 {
			full = 0
		}
		p.c.mu.Unlock()
		if full > 0 {
			time.Sleep(time.Millisecond)
		}
	}
	b.hold = true
	write(t, c, make([]byte, size)) // all that one OnData gets
	b.held = append(b.held, 23, 3, 3, 0, 20)
	b.held = append(b.held, make([]byte, 20)...)
	b.flush(t)
	receive(t, "OnClose", p.closed)
	for range 3 {
		if err := roundTrip(dial(t, other.Addr().String()), []byte("public"), make([]byte, 6)); err != nil {
			t.Fatal(err)
		}
	}
}
