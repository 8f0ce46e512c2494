//go:build linux

package netpoll

import (
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fanfare-ws/fanfare/netpoll/internal/sys"
)

// noMoreFDs lowers the limit of descriptors so that the next one fails. It is
// restored by the function returned, and at the latest when the test ends.
func noMoreFDs(t *testing.T) (restore func()) {
	t.Helper()
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	// The kernel gives out the lowest free number, and none from the limit on.
	lowest := must[int](t)(unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 0))
	unix.Close(lowest)
	restore = func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(restore)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(lowest), Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	if fd, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 0); err != unix.EMFILE {
		unix.Close(fd)
		t.Skipf("the limit does not work: %v", err)
	}
	return restore
}

// When descriptors run out, open connections are served, the operator is told
// once, and waiting connections are accepted as soon as there are descriptors again.
func TestListenWithoutDescriptors(t *testing.T) {
	lg := newLogs()
	s := serve(t, Options{Logger: newLogger(lg)}, echoing)
	inside := dial(t, s.addr)
	buf := make([]byte, 16)
	if err := roundTrip(inside, []byte("inside"), buf); err != nil {
		t.Fatal(err)
	}
	// The sockets of later clients exist already: only the server lacks
	// descriptors.
	var waiting [5]int
	for i := range waiting {
		fd := must[int](t)(unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0))
		t.Cleanup(func() { unix.Close(fd) })
		_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 10})
		waiting[i] = fd
	}
	restore := noMoreFDs(t)
	for _, fd := range waiting {
		if err := unix.Connect(fd, sys.Sockaddr(netip.MustParseAddrPort(s.addr))); err != nil {
			t.Fatal(err)
		}
		if _, err := unix.Write(fd, []byte("late")); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the failure is logged", func() bool { return lg.count("cannot accept") > 0 })
	for end := time.Now().Add(8 * minBackoff); time.Now().Before(end); { // it has tried again meanwhile
		if err := roundTrip(inside, []byte("inside"), buf); err != nil {
			t.Fatal(err)
		}
	}
	if n := lg.count("cannot accept"); n != 1 {
		t.Errorf("the failure was logged %d times", n)
	}
	if n := s.Stats().Accepted; n != 1 {
		t.Errorf("%d were accepted, want 1", n)
	}
	restore()
	for _, fd := range waiting {
		if n := readSome(t, fd, buf); string(buf[:n]) != "late" {
			t.Errorf("got %q", buf[:n])
		}
	}
	eventually(t, "the end is logged", func() bool { return lg.count("accepting connections again") == 1 })
	if n := lg.count("cannot accept"); n != 1 {
		t.Errorf("the failure was logged %d times", n)
	}
}

func TestBackoff(t *testing.T) {
	lg := newLogs()
	b, log := newBackoff(), newLogger(lg)
	for round := 1; round <= 2; round++ {
		want := minBackoff
		for range 10 {
			if p := b.grow(log, unix.EMFILE); p != want {
				t.Errorf("a pause of %v, want %v", p, want)
			}
			want = min(2*want, maxBackoff)
		}
		b.reset(log)
		b.reset(log)
		if e, i := lg.count("cannot accept"), lg.count("accepting"); e != round || i != round {
			t.Errorf("logged %d begins and %d ends in %d rounds", e, i, round)
		}
	}
}

func TestMaxConns(t *testing.T) {
	const most, more = 3, 4
	s := serve(t, Options{MaxConns: most}, echoing)
	buf := make([]byte, 16)
	var in []net.Conn
	for range most {
		nc := dial(t, s.addr)
		if err := roundTrip(nc, []byte("hello"), buf); err != nil {
			t.Fatal(err)
		}
		in = append(in, nc)
	}
	for range more {
		expectEnd(t, dial(t, s.addr))
	}
	if st := s.Stats(); st.Open != most || st.Accepted != most+more || st.Refused != more {
		t.Errorf("%+v", st)
	}
	in[0].Close()
	eventually(t, "one has left", func() bool { return s.Stats().Open == most-1 })
	if err := roundTrip(dial(t, s.addr), []byte("hello"), buf); err != nil {
		t.Errorf("there is a place again: %v", err)
	}
}

func TestAcceptRefuses(t *testing.T) {
	e := newEngine(t, Options{})
	twice := newPeer(t)
	answers := []Handler{nil, twice, twice} // a handler can be given once
	l := must[*Listener](t)(e.Listen("127.0.0.1:0", func() Handler {
		h := answers[0]
		answers = answers[1:]
		return h
	}))
	expectEnd(t, dial(t, l.Addr().String()))
	nc := dial(t, l.Addr().String())
	expectEnd(t, dial(t, l.Addr().String()))
	nc.Close()
	if err := receive(t, "OnClose", twice.closed); err != io.EOF {
		t.Errorf("closed with %v", err)
	}
	eventually(t, "two are refused", func() bool { return e.Stats().Refused == 2 })
}

func TestListenerClose(t *testing.T) {
	s := serve(t, Options{}, echoing)
	nc, _ := s.connect(t)
	s.StopListening()
	s.StopListening()
	if c, err := net.Dial("tcp", s.addr); err == nil {
		c.Close()
		t.Error("connected to a closed listener")
	}
	if err := roundTrip(nc, []byte("still here"), make([]byte, 16)); err != nil {
		t.Error(err)
	}
}

func TestListenFails(t *testing.T) {
	e := newEngine(t, Options{})
	l := must[*Listener](t)(e.Listen("127.0.0.1:0", func() Handler { return nil }))
	for _, addr := range []string{l.Addr().String(), "nonsense", "192.0.2.1:0"} {
		if _, err := e.Listen(addr, nil); err == nil {
			t.Errorf("listens on %s", addr)
		}
	}
}

// Accepted and dialled sockets have the options that the engine promises.
func TestSocketOptions(t *testing.T) {
	opts := Options{NotSentLowat: 12345, UserTimeout: 23456 * time.Millisecond}
	s := serve(t, opts, echoing)
	out := newPeer(t)
	done := make(chan struct{})
	out.onOpen = func() { close(done) }
	if err := s.Dial(netip.Addr{}, netip.MustParseAddrPort(s.addr), out); err != nil {
		t.Fatal(err)
	}
	receive(t, "OnOpen", done)
	_, nc := accepted(t)
	adopted := newPeer(t)
	if err := s.Adopt(nc, nil, adopted); err != nil {
		t.Fatal(err)
	}
	for name, p := range map[string]*peer{"accepted": receive(t, "accept", s.new), "dialled": out, "adopted": adopted} {
		for _, o := range []struct{ level, opt, want int }{
			{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
			{unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, 12345},
			{unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 23456},
			{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		} {
			p.c.mu.Lock()
			got, err := unix.GetsockoptInt(int(p.c.fd), o.level, o.opt)
			p.c.mu.Unlock()
			if got != o.want || err != nil {
				t.Errorf("%s: option %d/%d is %d, %v; want %d", name, o.level, o.opt, got, err, o.want)
			}
		}
	}
}

// A listener accepts no more than a batch at a time while the loops are behind, and it does go on.
func TestListenKeepsPace(t *testing.T) {
	const batches = 8
	g := newGate(t)
	s := serve(t, Options{Loops: 1, Workers: 1}, func(p *peer) {
		p.onData = func(data []byte) int { g.wait(); return len(data) }
	})
	nc, p := s.connect(t)
	write(t, nc, []byte("x"))
	eventually(t, "the only worker is blocked", func() bool { return p.inside.Load() == 1 })
	for range 2 * behindAt { // from now on the loop is behind
		dial(t, s.addr)
	}
	eventually(t, "they are accepted", func() bool { return s.Stats().Accepted > 2*behindAt })
	begin := time.Now()
	for range batches * acceptBatch {
		dial(t, s.addr)
	}
	eventually(t, "the others are accepted, too", func() bool { return s.Stats().Accepted > 2*behindAt+batches*acceptBatch })
	if took, least := time.Since(begin), (batches-1)*acceptPause; took < least {
		t.Errorf("%d connections were accepted in %v, want at least %v", batches*acceptBatch, took, least)
	}
	g.open()
}
