//go:build linux

package netpoll

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fanfare-ws/fanfare/netpoll/internal/sys"
	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
)

// Peers behind a dead link for which there is output are given up after UserTimeout, by the kernel. Of the memory that they
// held nothing remains. Peers that are idle stay: only the protocol knows how long they may be silent.
func TestUserTimeoutOfDeadLink(t *testing.T) {
	const n, timeout = 20, time.Second
	link := netpolltest.NewLink(t)
	e := newEngine(t, Options{UserTimeout: timeout, MinDrain: -1})
	peers := make(chan *peer, 2*n)
	l := must[*Listener](t)(e.Listen(link.Near+":0", func() Handler {
		p := newPeer(t)
		peers <- p
		return p
	}))
	link.Do(func() {
		to := sys.Sockaddr(l.Addr().(interface{ AddrPort() netip.AddrPort }).AddrPort())
		for range 2 * n {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err == nil {
				t.Cleanup(func() { unix.Close(fd) })
				err = unix.Connect(fd, to)
			}
			if err != nil {
				t.Error(err)
			}
		}
	})
	var busy, idle []*peer
	for i := range 2 * n {
		if p := receive(t, "a connection", peers); i < n {
			turnOver(t, p)
			busy = append(busy, p)
		} else {
			idle = append(idle, p)
		}
	}
	link.Cut()
	begin := time.Now()
	for _, p := range busy {
		p.c.Write(nil, bytes.Repeat([]byte("x"), 1<<20))
	}
	if e.Stats().Held == 0 {
		t.Error("the server holds nothing, so this shows nothing")
	}
	for _, p := range busy {
		if err := receive(t, "OnClose", p.closed); !errors.Is(err, unix.ETIMEDOUT) {
			t.Errorf("OnClose got %v", err)
		}
	}
	if took := time.Since(begin); took < timeout {
		t.Errorf("they were given up after %v", took)
	}
	if st := e.Stats(); st.Open != n || st.Held != 0 || st.Queued != 0 {
		t.Errorf("%d are open, want those that are idle: %d; %d bytes are held, %d queued", st.Open, n, st.Held, st.Queued)
	}
	for _, p := range idle {
		p.c.Close(nil)
		receive(t, "OnClose", p.closed)
	}
	l.Close()
}
