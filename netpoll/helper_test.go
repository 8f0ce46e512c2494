//go:build linux

package netpoll

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// waitLimit bounds every wait of the tests: long enough for a loaded machine, and
// reached only by a test that fails.
const waitLimit = 20 * time.Second

func TestMain(m *testing.M) {
	// The runtime opens its own poller at the first socket: before any count.
	if l, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
		l.Close()
	}
	os.Exit(m.Run())
}

// eventually waits until ok reports true.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(waitLimit); !ok(); time.Sleep(200 * time.Microsecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", waitLimit, what)
		}
	}
}

// turnOver waits until no worker serves p: then a write sends at once, and no turn gathers
// it.
func turnOver(t testing.TB, p *peer) {
	t.Helper()
	eventually(t, "the turn is over", func() bool { return p.c.state.Load() == 0 })
}

// receive takes one value from ch.
func receive[T any](t testing.TB, what string, ch <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-ch:
	case <-time.After(waitLimit):
		t.Fatalf("not within %v: %s", waitLimit, what)
	}
	return v
}

// must returns v, which came without an error.
func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// countFDs returns the number of open descriptors.
func countFDs(t testing.TB) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// noLeaks has the test fail if, after what is cleaned up later than this call,
// there are more goroutines or descriptors than now.
func noLeaks(t testing.TB) {
	t.Helper()
	fds, goroutines := countFDs(t), runtime.NumGoroutine()
	t.Cleanup(func() {
		if t.Failed() {
			return // what it left behind is no news
		}
		t.Helper()
		var f, g int
		for end := time.Now().Add(waitLimit); ; time.Sleep(time.Millisecond) {
			if f, g = countFDs(t), runtime.NumGoroutine(); f <= fds && g <= goroutines {
				return
			}
			if time.Now().After(end) {
				break
			}
		}
		buf := make([]byte, 1<<20)
		t.Errorf("%d descriptors and %d goroutines before, %d and %d after\n%s",
			fds, goroutines, f, g, buf[:runtime.Stack(buf, true)])
	})
}

// peer is the Handler of the tests. Its behaviour is in its fields, which are
// set before the engine gets it; a nil field does nothing.
type peer struct {
	c          Conn
	t          testing.TB
	onOpen     func()
	onData     func(data []byte) int
	onDeadline func()
	onPanic    func(v any)
	onClose    func(err error)
	opened     chan<- *peer // gets the peer when it is open
	closed     chan error   // what OnClose got
	closes     atomic.Int32
	inside     atomic.Int32 // methods that run now
	detached   bool
}

func newPeer(t testing.TB) *peer { return &peer{t: t, closed: make(chan error, 1)} }

func (p *peer) Conn() *Conn { return &p.c }

// enter checks what holds for every call of every connection.
func (p *peer) enter(name string) {
	if p.inside.Add(1) != 1 {
		p.t.Errorf("%s runs beside another method of its connection", name)
	}
	if p.closes.Load() != 0 {
		p.t.Errorf("%s after OnClose", name)
	}
}

func (p *peer) leave() { p.inside.Add(-1) }

func (p *peer) OnOpen() {
	p.enter("OnOpen")
	defer p.leave()
	if p.opened != nil {
		p.opened <- p
	}
	if p.onOpen != nil {
		p.onOpen()
	}
}

func (p *peer) OnData(data []byte) int {
	p.enter("OnData")
	defer p.leave()
	if p.onData != nil {
		return p.onData(data)
	}
	return len(data)
}

func (p *peer) OnDeadline() {
	p.enter("OnDeadline")
	defer p.leave()
	if p.onDeadline != nil {
		p.onDeadline()
	}
}

func (p *peer) OnPanic(v any) {
	p.enter("OnPanic")
	defer p.leave()
	if p.onPanic != nil {
		p.onPanic(v)
	}
}

func (p *peer) OnClose(err error) {
	p.enter("OnClose")
	defer p.leave()
	p.closes.Add(1)
	p.closed <- err
	if p.onClose != nil {
		p.onClose(err)
	}
}

// echo answers with what it gets.
func (p *peer) echo(data []byte) int {
	if o := p.c.Write(nil, data); !o.OK() {
		p.t.Errorf("echo of %d bytes: %v", len(data), o)
	}
	return len(data)
}

// server is an engine with one listener.
type server struct {
	*Engine
	addr string
	new  chan *peer // those that are open, as they open
}

// newEngine starts an engine that is shut down, and checked for what it left
// behind, when the test ends.
func newEngine(t testing.TB, opts Options) *Engine {
	t.Helper()
	noLeaks(t)
	return startEngine(t, opts, New)
}

// secondEngine is newEngine for a test that has another, which checks for both what they
// left behind.
func secondEngine(t testing.TB, opts Options) *Engine {
	t.Helper()
	return startEngine(t, opts, New)
}

func startEngine(t testing.TB, opts Options, start func(Options) (*Engine, error)) *Engine {
	t.Helper()
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	e := must[*Engine](t)(start(opts))
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // what is still open is closed
		if err := e.Shutdown(ctx); err != nil && err != context.Canceled {
			t.Errorf("shutdown: %v", err)
		}
		checkEmpty(t, e)
	})
	return e
}

// checkEmpty checks that nothing is counted in an engine that is shut down.
func checkEmpty(t testing.TB, e *Engine) {
	t.Helper()
	if s := e.Stats(); s.Open != 0 || s.Queued != 0 || s.Held != 0 || s.Drainers != 0 || s.Ready != 0 {
		t.Errorf("after the end: %+v", s)
	}
	e.Each(func(Handler) { t.Error("after the end there is a connection in a table") })
	eventually(t, "after the end no worker is busy", func() bool {
		e.workers.mu.Lock()
		defer e.workers.mu.Unlock()
		return len(e.workers.busy) == 0
	})
}

// serve starts an engine and a listener. setup is called for each new peer.
func serve(t testing.TB, opts Options, setup func(*peer)) *server {
	t.Helper()
	return serveWith(t, newEngine, opts, setup)
}

// serveStepped is serve with a monitor that looks only when the test calls
// monitor.look, so that what each look does can be counted.
func serveStepped(t testing.TB, opts Options, setup func(*peer)) *server {
	t.Helper()
	return serveWith(t, steppedEngine, opts, setup)
}

func steppedEngine(t testing.TB, opts Options) *Engine {
	t.Helper()
	noLeaks(t)
	e := startEngine(t, opts, build)
	t.Cleanup(func() { go e.monitor.run() }) // before Shutdown, which waits for it
	return e
}

func serveWith(t testing.TB, engine func(testing.TB, Options) *Engine, opts Options, setup func(*peer)) *server {
	t.Helper()
	var mu sync.Mutex
	var all []*peer
	t.Cleanup(func() { // after the engine's
		mu.Lock()
		defer mu.Unlock()
		for _, p := range all {
			if n := p.closes.Load(); n != 1 && !p.detached {
				t.Errorf("OnClose was called %d times", n)
			}
		}
	})
	s := &server{Engine: engine(t, opts), new: make(chan *peer, 1<<16)}
	l := must[*Listener](t)(s.Listen("127.0.0.1:0", func() Handler {
		p := newPeer(t)
		p.opened = s.new
		setup(p)
		mu.Lock()
		all = append(all, p)
		mu.Unlock()
		return p
	}))
	s.addr = l.Addr().String()
	return s
}

// dial connects a client of the standard library.
func dial(t testing.TB, addr string) *net.TCPConn {
	t.Helper()
	nc := must[net.Conn](t)(net.Dial("tcp", addr)).(*net.TCPConn)
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(waitLimit))
	return nc
}

// connect returns both ends of a new connection.
func (s *server) connect(t testing.TB) (*net.TCPConn, *peer) {
	t.Helper()
	nc := dial(t, s.addr)
	return nc, receive(t, "accept", s.new)
}

func write(t testing.TB, w io.Writer, data []byte) {
	t.Helper()
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
}

// bound has reading from r fail, if that is a connection, rather than hang.
func bound(r io.Reader) {
	if nc, ok := r.(net.Conn); ok {
		_ = nc.SetReadDeadline(time.Now().Add(waitLimit))
	}
}

// expect reads exactly want.
func expect(t testing.TB, r io.Reader, want string) {
	t.Helper()
	bound(r)
	got := make([]byte, len(want))
	if n, err := io.ReadFull(r, got); err != nil || string(got) != want {
		t.Fatalf("got %q, %v; want %q", got[:n], err, want)
	}
}

// expectEnd checks that there is nothing more to read.
func expectEnd(t testing.TB, r io.Reader) {
	t.Helper()
	bound(r)
	var b [1]byte
	if n, err := r.Read(b[:]); n != 0 || err != io.EOF {
		t.Fatalf("read %d bytes, %v; want the end", n, err)
	}
}

// roundTrip sends data and expects it back.
func roundTrip(nc net.Conn, data, buf []byte) error {
	if _, err := nc.Write(data); err != nil {
		return err
	}
	if _, err := io.ReadFull(nc, buf[:len(data)]); err != nil {
		return err
	}
	if !bytes.Equal(data, buf[:len(data)]) {
		return fmt.Errorf("sent %.20q, got back %.20q", data, buf[:len(data)])
	}
	return nil
}

// pattern fills p with bytes that tell their place in a stream from off on.
func pattern(p []byte, off int) {
	for i := range p {
		n := off + i
		p[i] = byte(n ^ n>>8 ^ n>>16)
	}
}

// gate blocks handlers until it is opened, at the latest when the test ends.
type gate struct {
	c    chan struct{}
	once sync.Once
}

func newGate(t testing.TB) *gate {
	g := &gate{c: make(chan struct{})}
	t.Cleanup(g.open)
	return g
}

func (g *gate) open() { g.once.Do(func() { close(g.c) }) }
func (g *gate) wait() { <-g.c }

// logs keeps the records that an engine logs.
type logs struct {
	slog.Handler
	mu   sync.Mutex
	msgs []string
}

func newLogs() *logs { return &logs{Handler: slog.DiscardHandler} }

func (l *logs) Enabled(context.Context, slog.Level) bool { return true }

func (l *logs) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.msgs = append(l.msgs, r.Message)
	return nil
}

func newLogger(h slog.Handler) *slog.Logger { return slog.New(h) }

// count returns how many records began with prefix.
func (l *logs) count(prefix string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.msgs {
		if len(m) >= len(prefix) && m[:len(prefix)] == prefix {
			n++
		}
	}
	return n
}

// pair gives p one end of a new connection, without a listener of the engine,
// and returns the other.
func pair(t testing.TB, e *Engine, p *peer) *net.TCPConn {
	t.Helper()
	l := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	defer l.Close()
	nc := dial(t, l.Addr().String())
	other := must[net.Conn](t)(l.Accept())
	if err := e.Adopt(other, nil, p); err != nil {
		t.Fatal(err)
	}
	return nc
}

// readSome reads from a blocking descriptor. The runtime's signals interrupt it.
func readSome(t testing.TB, fd int, p []byte) int {
	t.Helper()
	for {
		n, err := unix.Read(fd, p)
		if err == nil && n > 0 {
			return n
		}
		if err != unix.EINTR {
			t.Fatalf("read %d bytes, %v", n, err)
		}
	}
}

// blockedHandler connects a client whose handler blocks in OnData until the gate opens.
func blockedHandler(t *testing.T) (s *server, nc *net.TCPConn, p *peer, release *gate) {
	t.Helper()
	entered, release := make(chan struct{}, 1), newGate(t)
	s = serve(t, Options{}, func(p *peer) {
		p.onData = func(data []byte) int {
			entered <- struct{}{}
			release.wait()
			return len(data)
		}
	})
	nc, p = s.connect(t)
	write(t, nc, []byte("x"))
	receive(t, "OnData", entered)
	return s, nc, p, release
}
