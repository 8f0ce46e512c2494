//go:build linux

package netpoll

import (
	"crypto/tls"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// serveOn is serve at an endpoint. It returns the listener, too.
func serveOn(t *testing.T, e *Engine, at Endpoint, setup func(*peer)) (*server, *Listener) {
	t.Helper()
	s := &server{Engine: e, new: make(chan *peer, 1<<10)}
	l := must[*Listener](t)(e.ListenOn(at, func() Handler {
		p := newPeer(t)
		p.opened = s.new
		setup(p)
		return p
	}))
	s.addr = l.Addr().String()
	return s, l
}

// dialOn connects to a listener.
func dialOn(t *testing.T, l *Listener) net.Conn {
	t.Helper()
	nc := must[net.Conn](t)(net.Dial(l.Addr().Network(), l.Addr().String()))
	t.Cleanup(func() { nc.Close() })
	bound(nc)
	return nc
}

func socketPath(t *testing.T) string { return filepath.Join(t.TempDir(), "s") }

// One engine serves endpoints of all kinds at the same time.
func TestEndpoints(t *testing.T) {
	inherited := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	defer inherited.Close()
	inheritedUnix := must[net.Listener](t)(net.Listen("unix", socketPath(t)))
	defer inheritedUnix.Close()
	file := must[*os.File](t)(inheritedUnix.(*net.UnixListener).File())
	defer file.Close()
	e := newEngine(t, Options{})
	for name, at := range map[string]Endpoint{
		"port":              {Addr: "127.0.0.1:0"},
		"tcp4":              {Network: "tcp4", Addr: ":0"},
		"tcp6":              {Network: "tcp6", Addr: "[::1]:0"},
		"path":              {Addr: "unix:" + socketPath(t)},
		"unix":              {Network: "unix", Addr: socketPath(t)},
		"abstract":          {Addr: "unix:@fanfare-test-" + filepath.Base(filepath.Dir(socketPath(t)))},
		"inherited":         {Socket: inherited.(*net.TCPListener)},
		"inherited as file": {Socket: file},
		"TLS":               {Addr: "unix:" + socketPath(t), TLS: &TLS{Config: serverTLS()}},
	} {
		s, l := serveOn(t, e, at, echoing)
		nc := dialOn(t, l)
		if at.TLS != nil {
			nc = tls.Client(nc, clientTLS(0))
		}
		if err := roundTrip(nc, []byte("hello"), make([]byte, 8)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		p := receive(t, "accept", s.new)
		isUnix := l.Addr().Network() == "unix"
		if p.c.IsUnix() != isUnix || p.c.RemoteAddr().IsValid() == isUnix || p.c.LocalAddr().IsValid() == isUnix || (p.c.Owner() == unixOwner) != isUnix {
			t.Errorf("%s: from %v, owner %v, to %v", name, p.c.RemoteAddr(), p.c.Owner(), p.c.LocalAddr())
		}
		nc.Close()
		receive(t, "OnClose", p.closed)
	}
}

// A port without a host is one of IPv4 and of IPv6.
func TestDualStack(t *testing.T) {
	s, l := serveOn(t, newEngine(t, Options{}), Endpoint{Addr: ":0"}, echoing)
	_, port, _ := net.SplitHostPort(l.Addr().String())
	for _, host := range []string{"127.0.0.1", "::1"} {
		nc, err := net.Dial("tcp", net.JoinHostPort(host, port))
		if err != nil {
			t.Skip(err)
		}
		p := receive(t, "accept", s.new)
		if got := p.c.RemoteAddr().Addr().String(); got != host {
			t.Errorf("a client at %s has the address %s", host, got)
		}
		nc.Close()
		receive(t, "OnClose", p.closed)
	}
}

func TestEndpointErrors(t *testing.T) {
	e := newEngine(t, Options{})
	used, ordinary := socketPath(t), socketPath(t)
	if err := os.WriteFile(ordinary, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	serveOn(t, e, Endpoint{Addr: "unix:" + used}, echoing)
	notListening := must[*net.UDPConn](t)(net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}))
	defer notListening.Close()
	conn := dial(t, serve(t, Options{}, echoing).addr)
	for want, at := range map[string]Endpoint{
		"network":                {Network: "udp", Addr: ":0"},
		"is empty":               {Network: "unix"},
		"address already in use": {Addr: "unix:" + used},
		"in use":                 {Addr: "unix:" + ordinary},
		"no such file":           {Addr: "unix:" + ordinary + "-no/s"},
		"does not listen":        {Socket: notListening},
		"on which listen(2)":     {Socket: conn},
		"needs a TLS.Config":     {Addr: ":0", TLS: new(TLS)},
	} {
		if _, err := e.ListenOn(at, func() Handler { return nil }); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want an error with %q", at, err, want)
		}
	}
	if _, err := os.Stat(ordinary); err != nil {
		t.Errorf("an ordinary file is gone: %v", err)
	}
}

// The file of a socket has the permissions of Mode, whatever the umask, and goes with the listener.
func TestUnixFile(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	path := socketPath(t)
	_, l := serveOn(t, newEngine(t, Options{}), Endpoint{Addr: "unix:" + path, Mode: 0o660}, echoing)
	info := must[os.FileInfo](t)(os.Stat(path))
	if info.Mode().Perm() != 0o660 || info.Mode().Type() != os.ModeSocket {
		t.Errorf("mode %v", info.Mode())
	}
	l.Close()
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("after Close: %v", err)
	}
}

// The file that a process has left behind is replaced; that of another one stays when the listener closes.
func TestUnixFileOfAnother(t *testing.T) {
	path := socketPath(t)
	stale := must[*net.UnixListener](t)(net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"}))
	stale.SetUnlinkOnClose(false)
	stale.Close()
	e := newEngine(t, Options{})
	_, l := serveOn(t, e, Endpoint{Addr: "unix:" + path}, echoing)
	if err := roundTrip(dialOn(t, l), []byte("hello"), make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	_, next := serveOn(t, e, Endpoint{Addr: "unix:" + path}, echoing)
	l.Close()
	if err := roundTrip(dialOn(t, next), []byte("hello"), make([]byte, 8)); err != nil {
		t.Errorf("the successor's socket is gone: %v", err)
	}
}

// A connection of a Unix socket can be detached and adopted, like one of TCP.
func TestUnixDetach(t *testing.T) {
	conns := make(chan net.Conn, 1)
	e := newEngine(t, Options{})
	_, l := serveOn(t, e, Endpoint{Addr: "unix:" + socketPath(t)}, func(p *peer) {
		p.onData = func(data []byte) int {
			conns <- must[net.Conn](t)(p.c.Detach([]byte("un")))
			return len(data)
		}
	})
	nc := dialOn(t, l)
	write(t, nc, []byte("x"))
	out := receive(t, "Detach", conns)
	write(t, nc, []byte("read"))
	expect(t, out, "unread")
	p := newPeer(t)
	p.onData = p.echo
	if err := e.Adopt(out, []byte("!"), p); err != nil {
		t.Fatal(err)
	}
	expect(t, nc, "!")
	if err := roundTrip(nc, []byte("hello"), make([]byte, 8)); err != nil {
		t.Error(err)
	}
	p.c.Close(io.EOF)
	receive(t, "OnClose", p.closed)
}

// What a peer has read is known on a Unix socket, too, so that one which reads too slowly is given up.
func TestSlowOnUnix(t *testing.T) {
	e := newEngine(t, Options{})
	s, l := serveOn(t, e, Endpoint{Addr: "unix:" + socketPath(t)}, func(*peer) {})
	nc := dialOn(t, l)
	p := receive(t, "accept", s.new)
	turnOver(t, p)
	if o := p.c.Write(nil, make([]byte, 2<<20)); o != Queued {
		t.Fatal(o)
	}
	acked := func() uint64 {
		p.c.mu.Lock()
		defer p.c.mu.Unlock()
		return must[uint64](t)(p.c.ackedLocked(p.c.queueLocked()))
	}
	before := acked()
	if n := acked() - before; n != 0 {
		t.Errorf("%d bytes are acknowledged that nobody has read", n)
	}
	if _, err := io.ReadFull(nc, make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "what was read is acknowledged", func() bool { return acked()-before >= 1<<19 })
	p.later(t)
	if err := receive(t, "OnClose", p.closed); err != ErrSlow {
		t.Error(err)
	}
}

// An address of IPv4 is not one of IPv6, either: an operator may have a firewall for IPv4 only.
func TestEndpointOfIPv4(t *testing.T) {
	e := newEngine(t, Options{})
	for _, host := range []string{"0.0.0.0", "[::ffff:0.0.0.0]"} {
		l := must[*Listener](t)(e.ListenOn(Endpoint{Addr: host + ":0"}, func() Handler { return newPeer(t) }))
		if at := l.Addr().String(); !strings.HasPrefix(at, "0.0.0.0:") {
			t.Errorf("%s: it listens at %s", host, at)
		}
	}
}
