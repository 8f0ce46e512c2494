//go:build linux

package netpoll

import (
	"errors"
	"io"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The last words of a turn come with the end of our side, in one segment.
func TestLastWordsWithTheEnd(t *testing.T) {
	s := serve(t, Options{}, func(p *peer) {
		p.onData = func(data []byte) int {
			p.c.Write(nil, []byte("and "))
			p.c.WriteLast([]byte("bye"), errTest)
			p.c.Finish(nil, time.Hour)
			return len(data)
		}
	})
	nc, p := s.connect(t)
	write(t, nc, []byte("x"))
	bound(nc)
	raw := must[syscall.RawConn](t)(nc.SyscallConn())
	b := make([]byte, 64)
	n, err := nc.Read(b)
	var info *unix.TCPInfo
	var infoErr error
	if e := raw.Control(func(fd uintptr) { info, infoErr = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) }); errors.Join(e, infoErr) != nil {
		t.Fatal(e, infoErr)
	}
	if err != nil || string(b[:n]) != "and bye" || info.State != unix.BPF_TCP_CLOSE_WAIT {
		t.Errorf("read %q, %v; the socket's state is then %d", b[:n], err, info.State)
	}
	if n, err := nc.Read(b); err != io.EOF {
		t.Errorf("%q, %v", b[:n], err)
	}
	nc.Close()
	if err := receive(t, "OnClose", p.closed); err != errTest {
		t.Errorf("closed with %v, want %v", err, errTest)
	}
}

// Neither they nor what was written before are lost if the turn closes at once.
func TestLastWordsBeforeClose(t *testing.T) {
	s := serve(t, Options{}, func(p *peer) {
		p.onData = func(data []byte) int {
			p.c.Write(nil, []byte("and "))
			p.c.WriteLast([]byte("bye"), nil)
			p.c.Close(errTest)
			return len(data)
		}
	})
	nc, p := s.connect(t)
	write(t, nc, []byte("x"))
	expect(t, nc, "and bye")
	nc.Close()
	if err := receive(t, "OnClose", p.closed); err != errTest {
		t.Errorf("closed with %v, want %v", err, errTest)
	}
}

// They do not wait for a handler that blocks.
func TestLastWordsOfABlockedHandler(t *testing.T) {
	g := newGate(t)
	s := serve(t, Options{}, func(p *peer) {
		p.onData = func(data []byte) int {
			p.c.WriteLast([]byte("bye"), nil)
			g.wait()
			return len(data)
		}
	})
	nc, _ := s.connect(t)
	write(t, nc, []byte("x"))
	expect(t, nc, "bye")
	g.open()
	nc.Close()
}
