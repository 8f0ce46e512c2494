//go:build linux

package netpoll

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func echoing(p *peer) { p.onData = p.echo }

func TestEcho(t *testing.T) {
	s := serve(t, Options{}, echoing)
	nc, p := s.connect(t)
	buf := make([]byte, 4096)
	for i := range 2000 {
		if err := roundTrip(nc, fmt.Appendf(nil, "message %d", i), buf); err != nil {
			t.Fatal(err)
		}
	}
	nc.Close()
	if err := receive(t, "OnClose", p.closed); err != io.EOF {
		t.Fatalf("closed with %v, want io.EOF", err)
	}
}

func TestEchoThousandConnections(t *testing.T) {
	const conns, rounds = 1000, 5
	s := serve(t, Options{}, echoing)
	clients := make([]*net.TCPConn, conns)
	for i := range clients {
		clients[i] = dial(t, s.addr)
	}
	var wg sync.WaitGroup
	for i, nc := range clients {
		wg.Go(func() {
			buf := make([]byte, 64)
			for j := range rounds {
				if err := roundTrip(nc, fmt.Appendf(nil, "%d says %d", i, j), buf); err != nil {
					t.Errorf("connection %d: %v", i, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if n := s.Stats().Open; n != conns {
		t.Errorf("%d connections are open, want %d", n, conns)
	}
}

// A client that sends without reading is slowed down, and loses nothing.
func TestEchoBackpressure(t *testing.T) {
	const size, maxPending = 24 << 20, 512 << 10
	s := serve(t, Options{MaxPending: maxPending, ReadBuffer: 32 << 10}, func(p *peer) {
		p.onData = func(data []byte) int {
			p.echo(data)
			if n := p.c.Pending(); n > maxPending {
				t.Errorf("%d bytes are pending, more than %d", n, maxPending)
			}
			return len(data)
		}
	})
	nc, p := s.connect(t)
	sent := make(chan error, 1)
	go func() {
		data := make([]byte, size)
		pattern(data, 0)
		_, err := nc.Write(data)
		sent <- err
	}()
	held := func() bool {
		p.c.mu.Lock()
		defer p.c.mu.Unlock()
		return p.c.held&heldByPeer != 0
	}
	eventually(t, "reading pauses", held)
	if n := s.Stats().Queued; n <= maxPending/2 || n > maxPending {
		t.Errorf("%d bytes are queued, want more than half of %d", n, maxPending)
	}
	if in := s.Stats().BytesIn; in >= size {
		t.Errorf("all %d bytes were read although nothing was taken", in)
	}
	got, want := make([]byte, 64<<10), make([]byte, 64<<10)
	for off := 0; off < size; off += len(got) {
		pattern(want, off)
		expectChunk(t, nc, got, want, off)
	}
	if err := receive(t, "the client has sent all", sent); err != nil {
		t.Fatal(err)
	}
	eventually(t, "nothing is queued", func() bool { return s.Stats().Queued == 0 && p.c.Pending() == 0 && !held() })
}

func expectChunk(t *testing.T, r io.Reader, got, want []byte, off int) {
	t.Helper()
	if _, err := io.ReadFull(r, got); err != nil {
		t.Fatalf("after %d bytes: %v", off, err)
	}
	if string(got) != string(want) {
		t.Fatalf("the bytes from %d on are not what was sent", off)
	}
}

// What a handler leaves over comes again, before what is new.
func TestTail(t *testing.T) {
	calls := make(chan string, 100)
	s := serve(t, Options{}, func(p *peer) {
		p.onData = func(data []byte) int {
			calls <- string(data)
			used := len(data) / 4 * 4 // messages of four bytes
			p.c.Write(nil, data[:used])
			return used
		}
	})
	nc, p := s.connect(t)
	for _, step := range []struct{ send, sees, answer string }{
		{"ab", "ab", ""},
		{"c", "abc", ""},
		{"de", "abcde", "abcd"},
		{"fghi", "efghi", "efgh"},
		{"jkl", "ijkl", "ijkl"},
	} {
		write(t, nc, []byte(step.send))
		if got := receive(t, "OnData", calls); got != step.sees {
			t.Fatalf("the handler saw %q, want %q", got, step.sees)
		}
		expect(t, nc, step.answer)
	}
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	if p.c.cold != nil {
		t.Error("an empty tail takes memory")
	}
}

// An event without data, which is only a hint, does not lose the tail.
func TestTailSurvivesSpuriousEvent(t *testing.T) {
	calls := make(chan string, 10)
	s := serve(t, Options{}, func(p *peer) {
		p.onData = func(data []byte) int {
			calls <- string(data)
			return 0
		}
	})
	nc, p := s.connect(t)
	write(t, nc, []byte("ab"))
	receive(t, "OnData", calls)
	for range 3 {
		p.c.notify(unix.EPOLLIN | unix.EPOLLOUT)
		turnOver(t, p)
	}
	write(t, nc, []byte("c"))
	if got := receive(t, "OnData", calls); got != "abc" {
		t.Errorf("the handler saw %q", got)
	}
}

func TestTailTooLong(t *testing.T) {
	s := serve(t, Options{ReadBuffer: 4096}, func(p *peer) {
		p.onData = func([]byte) int { return 0 }
	})
	nc, p := s.connect(t)
	write(t, nc, make([]byte, 2049))
	if err := receive(t, "OnClose", p.closed); err != ErrTail {
		t.Fatalf("closed with %v, want ErrTail", err)
	}
}

// A peer that never pauses, so that at the end of each of its turns the next
// event is there, does not keep the only worker.
func TestBusyPeerLeavesRoom(t *testing.T) {
	var stop atomic.Bool
	more := make(chan struct{}, 1)
	s := serve(t, Options{Loops: 1, Workers: 1}, func(p *peer) {
		p.onData = func(data []byte) int {
			if data[0] == 'e' {
				return p.echo(data)
			}
			more <- struct{}{}
			eventually(t, "more of the same", func() bool {
				return p.c.state.Load()&unix.EPOLLIN != 0 || stop.Load()
			})
			return len(data)
		}
	})
	busy, quiet := dial(t, s.addr), dial(t, s.addr)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop.Store(true)
	wg.Go(func() {
		for more <- struct{}{}; !stop.Load(); { // the first is our own idea
			<-more
			if _, err := busy.Write([]byte("more")); err != nil {
				t.Error(err)
				return
			}
		}
	})
	buf := make([]byte, 16)
	quiet.SetDeadline(time.Now().Add(5 * time.Second))
	for range 20 {
		if err := roundTrip(quiet, []byte("echo"), buf); err != nil {
			t.Error(err)
			break
		}
	}
}

// No event is lost, and no two turns run at the same time, wherever events come from.
func TestEventsFromEverywhere(t *testing.T) {
	s := serve(t, Options{}, echoing)
	nc, p := s.connect(t)
	var stop atomic.Bool
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop.Store(true)
	for range 2 {
		wg.Go(func() {
			for !stop.Load() {
				p.c.notify(unix.EPOLLIN)
				p.c.notify(unix.EPOLLOUT)
				runtime.Gosched()
			}
		})
	}
	buf := make([]byte, 16)
	for i := range 300 {
		if err := roundTrip(nc, fmt.Appendf(nil, "message %d", i), buf); err != nil {
			t.Fatal(err)
		}
	}
}
