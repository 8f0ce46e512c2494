//go:build linux

package netpoll

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// caller returns a peer that says hello when it is connected, and what it hears.
func caller(t *testing.T) (p *peer, heard chan string) {
	heard = make(chan string, 10)
	p = newPeer(t)
	p.onOpen = func() { p.c.Write(nil, []byte("hello")) }
	p.onData = func(data []byte) int {
		heard <- string(data)
		return len(data)
	}
	return p, heard
}

func TestDial(t *testing.T) {
	for _, from := range []string{"", "127.0.0.2"} {
		s := serve(t, Options{}, echoing)
		to := netip.MustParseAddrPort(s.addr)
		p, heard := caller(t)
		var addr netip.Addr
		if from != "" {
			addr = netip.MustParseAddr(from)
		}
		if err := s.Dial(addr, to, p); err != nil {
			t.Fatal(err)
		}
		if got := receive(t, "the echo", heard); got != "hello" {
			t.Errorf("heard %q", got)
		}
		if got := p.c.RemoteAddr(); got != to {
			t.Errorf("connected to %v, want %v", got, to)
		}
		if local := p.c.LocalAddr(); from != "" && local.Addr() != addr || local.Port() == 0 {
			t.Errorf("connected from %v, want %v", local, from)
		}
		if p.c.Engine() != s.Engine || p.c.Loop() < 0 || p.c.Loop() >= s.Loops() {
			t.Errorf("loop %d", p.c.Loop())
		}
		other := receive(t, "accept", s.new)
		if got := other.c.RemoteAddr(); got != p.c.LocalAddr() {
			t.Errorf("the server sees %v, the client is %v", got, p.c.LocalAddr())
		}
		p.c.Close(errTest)
		if err := receive(t, "OnClose", p.closed); err != errTest {
			t.Errorf("closed with %v", err)
		}
	}
}

func TestDialIPv6(t *testing.T) {
	e := newEngine(t, Options{})
	heardBy := newPeer(t)
	heardBy.onData = heardBy.echo
	l, err := e.Listen("[::1]:0", func() Handler { return heardBy })
	if err != nil {
		t.Skip(err)
	}
	p, heard := caller(t)
	to := l.Addr().(*net.TCPAddr).AddrPort()
	if err := e.Dial(netip.MustParseAddr("::1"), to, p); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, "the echo", heard); got != "hello" {
		t.Errorf("heard %q", got)
	}
	if got := p.c.RemoteAddr(); got != to {
		t.Errorf("connected to %v, want %v", got, to)
	}
	p.c.Close(nil)
	receive(t, "OnClose", p.closed)
}

// What the server says first is heard though it came with the connection, in the
// same event.
func TestDialHearsGreeting(t *testing.T) {
	release := newGate(t)
	e := newEngine(t, Options{Loops: 1, Workers: 1})
	blocked := make(chan struct{})
	e.NewTask(0, func() {
		close(blocked)
		release.wait()
	}).Schedule()
	receive(t, "the worker blocks", blocked)
	l := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	defer l.Close()
	p, heard := caller(t)
	if err := e.Dial(netip.Addr{}, l.Addr().(*net.TCPAddr).AddrPort(), p); err != nil {
		t.Fatal(err)
	}
	nc := must[net.Conn](t)(l.Accept())
	defer nc.Close()
	write(t, nc, []byte("welcome"))
	eventually(t, "the welcome is there", func() bool { return p.c.state.Load()&unix.EPOLLIN != 0 })
	release.open()
	if got := receive(t, "the welcome", heard); got != "welcome" {
		t.Errorf("heard %q", got)
	}
	expect(t, nc, "hello")
}

func TestDialRefused(t *testing.T) {
	e := newEngine(t, Options{})
	l := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	to := l.Addr().(*net.TCPAddr).AddrPort()
	l.Close()
	p := newPeer(t)
	p.onOpen = func() { t.Error("OnOpen without a connection") }
	if err := e.Dial(netip.Addr{}, to, p); err != nil {
		t.Fatal(err)
	}
	if err := receive(t, "OnClose", p.closed); err != unix.ECONNREFUSED {
		t.Errorf("closed with %v, want ECONNREFUSED", err)
	}
}

func TestDialImpossible(t *testing.T) {
	e := newEngine(t, Options{})
	to := netip.MustParseAddrPort("127.0.0.1:9")
	if err := e.Dial(netip.MustParseAddr("192.0.2.1"), to, newPeer(t)); err == nil {
		t.Error("dialled from an address that is not ours")
	}
}

// deaf returns the address of a listener whose queue is full, so that nobody can
// connect and nobody is refused.
func deaf(t *testing.T) netip.AddrPort {
	t.Helper()
	fd := must[int](t)(unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0))
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	sa := must[unix.Sockaddr](t)(unix.Getsockname(fd)).(*unix.SockaddrInet4)
	for range 10 {
		c := must[int](t)(unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0))
		t.Cleanup(func() { unix.Close(c) })
		if err := unix.Connect(c, sa); err != unix.EINPROGRESS {
			t.Fatal(err)
		}
		fds := []unix.PollFd{{Fd: int32(c), Events: unix.POLLOUT}}
		if n, _ := unix.Poll(fds, 50); n == 0 {
			return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
		}
	}
	t.Skip("this kernel does not let a queue be full")
	return netip.AddrPort{}
}

// An attempt that hangs ends in every way that a connection does, without OnOpen.
func TestDialHangs(t *testing.T) {
	to := deaf(t)
	for _, test := range []struct {
		name string
		act  func(c *Conn)
		want error
	}{
		{"deadline", func(c *Conn) { c.SetDeadline(5 * time.Millisecond) }, unix.ETIMEDOUT},
		{"close", func(c *Conn) { c.Close(errTest) }, errTest},
		{"finish", func(c *Conn) { c.Finish(errTest, waitLimit) }, errTest},
		{"a stale event", func(c *Conn) {
			c.onEvent()(unix.EPOLLOUT | unix.EPOLLHUP) // as of an earlier owner of the number
			eventually(t, "the turn is over", func() bool { return c.state.Load()&scheduled == 0 })
			c.Close(errTest)
		}, errTest},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := newEngine(t, Options{Sweep: quickSweep})
			p := newPeer(t)
			p.onOpen = func() { t.Error("OnOpen without a connection") }
			p.onDeadline = func() { t.Error("OnDeadline before OnOpen") }
			if err := e.Dial(netip.Addr{}, to, p); err != nil {
				t.Fatal(err)
			}
			if o := p.c.Write(nil, []byte("x")); o != Closed {
				t.Errorf("a write before there is a connection: %v, want closed", o)
			}
			test.act(&p.c)
			if err := receive(t, "OnClose", p.closed); err != test.want {
				t.Errorf("closed with %v, want %v", err, test.want)
			}
		})
	}
}

// A timer event that comes before the connection does not eat up OnOpen.
func TestDialDeadlineMoved(t *testing.T) {
	s := serve(t, Options{}, echoing)
	p, heard := caller(t)
	if err := s.Dial(netip.Addr{}, netip.MustParseAddrPort(s.addr), p); err != nil {
		t.Fatal(err)
	}
	p.c.notify(evTimer)
	if got := receive(t, "the echo", heard); got != "hello" {
		t.Errorf("heard %q", got)
	}
	if n := p.c.state.Load() & evTimer; n != 0 {
		eventually(t, "the event is dealt with", func() bool { return p.c.state.Load()&evTimer == 0 })
	}
}
