//go:build linux

package netpoll

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	easygo "github.com/mailru/easygo/netpoll"
	"golang.org/x/sys/unix"
)

var expired = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// Idle connections that are still open when ctx is done are closed, for a reason
// that says so.
func TestShutdownClosesTheRest(t *testing.T) {
	s := serve(t, Options{}, echoing)
	nc, p := s.connect(t)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := s.Shutdown(ctx); err != context.DeadlineExceeded {
		t.Errorf("shutdown: %v, want the context's error", err)
	}
	if n := p.closes.Load(); n != 1 {
		t.Errorf("OnClose was called %d times before Shutdown returned", n)
	}
	if err := receive(t, "OnClose", p.closed); err != ErrShutdown {
		t.Errorf("closed with %v, want ErrShutdown", err)
	}
	expectEnd(t, nc)
	if err := s.Shutdown(ctx); err != nil {
		t.Errorf("a second shutdown: %v", err)
	}
	if _, err := s.Listen("127.0.0.1:0", nil); err != ErrShutdown {
		t.Errorf("Listen: %v, want ErrShutdown", err)
	}
	late := newPeer(t)
	if err := s.Dial(netip.Addr{}, netip.MustParseAddrPort("127.0.0.1:9"), late); err != ErrShutdown {
		t.Errorf("Dial: %v, want ErrShutdown", err)
	}
	if late.c.fd != -1 {
		t.Errorf("a connection that was refused has descriptor %d, which is closed", late.c.fd)
	}
	if o := p.c.Write(nil, []byte("x")); o != Closed {
		t.Errorf("Write: %v", o)
	}
}

func TestTaskAfterShutdown(t *testing.T) {
	noLeaks(t)
	e := must[*Engine](t)(New(Options{}))
	if err := e.Shutdown(expired); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	task := e.NewTask(0, func() { t.Error("a task runs after the end") })
	task.Schedule()
	task.Schedule()
}

// While there is time, connections are served until they end by themselves, and
// nobody new comes in.
func TestShutdownWaits(t *testing.T) {
	s := serve(t, Options{}, echoing)
	nc, p := s.connect(t)
	result := make(chan error, 2)
	for range cap(result) {
		go func() { result <- s.Shutdown(context.Background()) }()
	}
	eventually(t, "the listener is closed", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.listeners) == 0
	})
	if _, err := s.Listen("127.0.0.1:0", nil); err != ErrShutdown {
		t.Errorf("Listen: %v, want ErrShutdown", err)
	}
	if err := roundTrip(nc, []byte("still here"), make([]byte, 16)); err != nil {
		t.Fatal(err)
	}
	if len(result) != 0 {
		t.Fatal("Shutdown did not wait")
	}
	nc.Close()
	for range cap(result) {
		if err := receive(t, "Shutdown", result); err != nil {
			t.Errorf("shutdown: %v", err)
		}
	}
	if err := receive(t, "OnClose", p.closed); err != io.EOF {
		t.Errorf("closed with %v", err)
	}
}

// A handler that blocks is left behind, and Shutdown says so. When it returns its
// connection is closed in order.
func TestShutdownWithBlockedHandler(t *testing.T) {
	s, nc, p, release := blockedHandler(t)
	idle, q := s.connect(t)
	err := s.Shutdown(expired)
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "1 connections") {
		t.Errorf("shutdown: %v", err)
	}
	expectEnd(t, nc)
	expectEnd(t, idle)
	if err := receive(t, "OnClose", q.closed); err != ErrShutdown {
		t.Errorf("closed with %v", err)
	}
	if n := p.closes.Load(); n != 0 {
		t.Error("OnClose runs beside OnData")
	}
	release.open()
	if err := receive(t, "OnClose", p.closed); err != ErrShutdown {
		t.Errorf("closed with %v", err)
	}
	eventually(t, "nothing is left", func() bool { return s.Stats().Open == 0 && s.Stats().Drainers == 0 })
}

// Connections that come while the engine ends are closed like the others.
func TestShutdownUnderAccept(t *testing.T) {
	for range 20 {
		s := serve(t, Options{}, echoing)
		stop := make(chan struct{})
		done := make(chan struct{})
		to := netip.MustParseAddrPort(s.addr)
		go func() {
			defer close(done)
			for {
				select {
				case <-stop:
					return
				default:
				}
				p := newPeer(t)
				if err := s.Dial(netip.Addr{}, to, p); err != nil {
					if err != ErrShutdown {
						t.Errorf("Dial: %v", err)
					}
					continue
				}
				p.c.Write(nil, []byte("x"))
			}
		}()
		eventually(t, "some have come", func() bool { return s.Stats().Accepted > 10 })
		if err := s.Shutdown(expired); err != nil && err != context.Canceled {
			t.Errorf("shutdown: %v", err)
		}
		close(stop)
		receive(t, "the caller", done)
	}
}

// Each visits all connections of all loops.
func TestEach(t *testing.T) {
	const conns = 10
	s := serve(t, Options{Loops: 3}, echoing)
	want := make(map[Handler]bool)
	loops := make(map[int]bool)
	for range conns {
		_, p := s.connect(t)
		want[p] = true
		loops[p.c.Loop()] = true
	}
	s.Each(func(h Handler) { delete(want, h) })
	if len(want) != 0 || len(loops) != s.Loops() {
		t.Errorf("%d connections were left out; %d loops are used", len(want), len(loops))
	}
}

// An engine whose epoll instance fails says so, and can be shut down.
func TestFailedLoop(t *testing.T) {
	e := newEngine(t, Options{})
	if e.Err() != nil {
		t.Errorf("failed from the start: %v", e.Err())
	}
	e.fail(errTest)
	e.fail(io.ErrNoProgress)
	receive(t, "Failed", e.Failed())
	if err := e.Err(); !errors.Is(err, errTest) {
		t.Errorf("failed with %v, want %v", err, errTest)
	}
}

// A connection that epoll refuses leaves nothing behind that could meet the next
// owner of the number.
func TestEnterFails(t *testing.T) {
	e := newEngine(t, Options{Loops: 1})
	fds := must[[2]int](t)(unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0))
	defer unix.Close(fds[1])
	if err := e.loops[0].poll.Add(fds[0], easygo.EPOLLIN, func(easygo.EpollEvent) {}); err != nil {
		t.Fatal(err)
	}
	p, s := newPeer(t), State{fd: fds[0], phase: live}
	if err := e.enter(&s, p); !errors.Is(err, easygo.ErrRegistered) {
		t.Errorf("enter: %v, want ErrRegistered", err)
	}
	if n := e.Stats().Open; n != 0 || p.c.fd != -1 {
		t.Errorf("%d connections are open, this one has descriptor %d", n, p.c.fd)
	}
	e.Each(func(Handler) { t.Error("the table is not empty") })
	p.c.Close(nil)
	q := newPeer(t)
	if err := e.enter(&s, q); err != nil {
		t.Errorf("the number cannot be used again: %v", err)
	}
	q.c.Close(nil)
	receive(t, "OnClose", q.closed)
	if n := p.closes.Load(); n != 0 {
		t.Error("OnClose of a connection that was refused")
	}
}
