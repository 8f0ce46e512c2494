//go:build linux

package netpoll

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// crowd connects n clients.
func (s *server) crowd(t testing.TB, n int) (clients []net.Conn, peers []*peer) {
	t.Helper()
	for range n {
		nc, p := s.connect(t)
		turnOver(t, p)
		clients, peers = append(clients, nc), append(peers, p)
	}
	return clients, peers
}

// burst writes to each of peers what text returns for it.
func burst(b *Burst[int], peers []*peer, text func(i int) string) []Outcome {
	for i, p := range peers {
		b.Add(Write[int]{To: i, Conn: &p.c, Buffer: NewBuffer([]byte(text(i)))})
	}
	return outcomesOf(b.Send())
}

func outcomesOf(writes []Write[int]) (outcomes []Outcome) {
	for _, w := range writes {
		outcomes = append(outcomes, w.Outcome)
	}
	return outcomes
}

// needAio returns a context for the test.
func needAio(t *testing.T) aioContext {
	t.Helper()
	r, err := newAioContext()
	if err != nil {
		t.Skip("this kernel has no aioContexts, or has given all of fs.aio-max-nr away:", err)
	}
	t.Cleanup(r.destroy)
	return r
}

// withAndWithout runs f for a kernel that has aioContexts, and for one that has none.
func withAndWithout(t *testing.T, f func(t *testing.T, most int)) {
	t.Run("together", func(t *testing.T) {
		needAio(t)
		f(t, 4)
	})
	t.Run("alone", func(t *testing.T) { f(t, 0) })
}

// Each connection gets its own, in the order of bursts; outcomes stand in that of Add.
func TestBurst(t *testing.T) {
	withAndWithout(t, func(t *testing.T, most int) {
		s := serve(t, Options{}, func(*peer) {})
		s.aio.most = most
		clients, peers := s.crowd(t, BurstSize)
		b := new(Burst[int])
		want := make([]string, BurstSize)
		for _, n := range []int{0, 1, minBurst - 1, minBurst, BurstSize - 1, BurstSize, 2, BurstSize} {
			got := burst(b, peers[:n], func(i int) string { return fmt.Sprintf("%d of %d;", i, n) })
			if len(got) != n || b.n != 0 {
				t.Fatalf("%d outcomes of %d writes, %d are left", len(got), n, b.n)
			}
			for i, o := range got {
				if o != Sent {
					t.Errorf("%d of %d: %v", i, n, o)
				}
				want[i] += fmt.Sprintf("%d of %d;", i, n)
			}
		}
		total := 0
		for i, nc := range clients {
			expect(t, nc, want[i])
			total += len(want[i])
		}
		if got := s.Stats().BytesOut; got != int64(total) {
			t.Errorf("%d bytes were sent, %d counted", total, got)
		}
		for i := range BurstSize {
			if b.batch.blocks[i] != (iocb{}) {
				t.Fatal("an empty burst keeps something alive")
			}
		}
	})
}

// Full tells when Write is due.
func TestBurstFull(t *testing.T) {
	s := serve(t, Options{}, func(*peer) {})
	_, peers := s.crowd(t, 1)
	b := new(Burst[int])
	for i := 1; i <= BurstSize; i++ {
		if full := b.Add(Write[int]{Conn: &peers[0].c, Buffer: NewBuffer([]byte("x"))}); full != (i == BurstSize) {
			t.Errorf("after %d: %v", i, full)
		}
	}
	for i, o := range outcomesOf(b.Send()) { // the same connection again and again: it is locked once
		if o != Sent {
			t.Errorf("%d: %v", i, o)
		}
	}
}

// Those to whom a write is more than a call of the kernel get what WriteBuffer would
// have answered, and the others nothing of it.
func TestBurstOfDifferent(t *testing.T) {
	withAndWithout(t, func(t *testing.T, most int) {
		const maxPending = 1 << 20
		s := serve(t, Options{MaxPending: maxPending}, func(*peer) {})
		s.aio.most = most
		clients, peers := s.crowd(t, 10)
		stalled, reserved, ended, finishing, unborn := peers[1], peers[3], peers[5], peers[7], newPeer(t)
		taken := fill(t, stalled, maxPending, 1)
		x := must[*Exclusive](t)(reserved.c.Reserve())
		ended.c.Close(errTest)
		receive(t, "OnClose", ended.closed)
		finishing.c.WriteLast([]byte("bye"), nil)
		b := new(Burst[int])
		b.Add(Write[int]{Conn: &unborn.c, Buffer: NewBuffer([]byte("x"))})
		if o := b.Send(); o[0].Outcome != Closed {
			t.Errorf("to one that is not open yet: %v", o[0])
		}
		peers = append(peers, unborn)
		want := []Outcome{Sent, Full, Sent, Queued, Sent, Closed, Sent, Closed, Sent, Sent, Closed}
		text := func(i int) string {
			if i == 1 {
				return string(make([]byte, maxPending))
			}
			return string(make([]byte, 9<<10))
		}
		for i, o := range burst(b, peers, text) {
			if o != want[i] {
				t.Errorf("%d: %v, want %v", i, o, want[i])
			}
		}
		x.Release()
		for _, i := range []int{0, 2, 3, 4, 6, 8, 9} {
			expect(t, clients[i], text(i))
		}
		expect(t, clients[7], "bye")
		for range sum(taken) {
			if _, _, err := readRecord(clients[1]); err != nil {
				t.Fatal(err)
			}
		}
		for i, o := range burst(b, []*peer{peers[0], peers[2], peers[4], peers[6]}, func(int) string { return string(make([]byte, maxPending+1)) }) {
			if o != Full {
				t.Errorf("more than may be pending, %d: %v", i, o)
			}
		}
	})
}

// What the socket does not take of a burst is queued, by reference, and leaves.
func TestBurstQueued(t *testing.T) {
	withAndWithout(t, func(t *testing.T, most int) {
		const size = 1 << 20
		s := serve(t, Options{MaxPending: 64 * size}, func(*peer) {})
		s.aio.most = most
		clients, peers := s.crowd(t, minBurst)
		data := make([]byte, size)
		pattern(data, 0)
		shared := NewBuffer(data)
		b := new(Burst[int])
		writes := 0
		for queued := 0; queued < minBurst; writes++ {
			for _, p := range peers {
				b.Add(Write[int]{Conn: &p.c, Buffer: shared})
			}
			queued = 0
			for _, o := range outcomesOf(b.Send()) {
				switch o {
				case Queued:
					queued++
				case Sent:
				default:
					t.Fatal(o)
				}
			}
		}
		if n := peers[0].c.Pending(); n == 0 || s.Stats().Queued < int64(n) {
			t.Errorf("%d bytes are pending, %d in all", n, s.Stats().Queued)
		}
		got := make([]byte, size)
		for i, nc := range clients {
			bound(nc)
			for range writes {
				if _, err := io.ReadFull(nc, got); err != nil || !bytes.Equal(got, data) {
					t.Fatalf("%d: %v", i, err)
				}
			}
		}
		eventually(t, "nothing is queued", func() bool { return s.Stats().Queued == 0 })
	})
}

// A connection that is dead without anybody having noticed fails alone, and is closed.
func TestBurstToTheDead(t *testing.T) {
	withAndWithout(t, func(t *testing.T, most int) {
		s := serve(t, Options{}, func(*peer) {})
		s.aio.most = most
		clients, peers := s.crowd(t, 8)
		if err := syscall.Shutdown(int(peers[2].c.fd), syscall.SHUT_WR); err != nil { // as if it had failed
			t.Fatal(err)
		}
		b := new(Burst[int])
		for i, o := range burst(b, peers, func(int) string { return "hello" }) {
			if want := map[bool]Outcome{true: Closed, false: Sent}[i == 2]; o != want {
				t.Errorf("%d: %v, want %v", i, o, want)
			}
		}
		if err := receive(t, "OnClose", peers[2].closed); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("closed with %v", err)
		}
		for i, nc := range clients {
			if i != 2 {
				expect(t, nc, "hello")
			}
		}
	})
}

// What has to be encrypted leaves by itself.
func TestBurstTLS(t *testing.T) {
	s := serveTLS(t, Options{}, func(*peer) {})
	var clients []net.Conn
	var peers []*peer
	for range minBurst {
		clients = append(clients, dialTLS(t, s.addr, 0, nil))
		peers = append(peers, receive(t, "OnOpen", s.new))
		turnOver(t, peers[len(peers)-1])
	}
	for i, o := range burst(new(Burst[int]), peers, func(i int) string { return "secret" }) {
		if o != Sent {
			t.Errorf("%d: %v", i, o)
		}
	}
	for _, nc := range clients {
		expect(t, nc, "secret")
	}
}

// Bursts to the same connections in opposite orders, beside writes, echoes and closing:
// nobody waits for ever, and nothing is lost or mixed up.
func TestBurstsBesideOthers(t *testing.T) {
	const conns, writers, rounds = BurstSize, 4, 300
	s := serve(t, Options{}, func(p *peer) {
		p.onData = func(data []byte) int {
			p.c.Write(nil, data) // Closed, for some
			return len(data)
		}
	})
	clients, peers := s.crowd(t, conns)
	var sent [conns][writers + 2]atomic.Int32 // outcomes that were OK; the last two are single writes and echoes
	var echoed [conns]atomic.Int32
	var readers, all sync.WaitGroup
	for i, nc := range clients {
		readers.Go(func() {
			var got [writers + 2]int
			for {
				w, n, err := readRecord(nc)
				if err != nil {
					if i%8 != 0 && err != io.EOF {
						t.Error(err)
					}
					break
				}
				if n != got[w] {
					t.Errorf("connection %d: number %d of writer %d after %d of them", i, n, w, got[w])
					break
				}
				if got[w]++; w == writers+1 {
					echoed[i].Add(1)
				}
			}
			for w := range got {
				if want := int(sent[i][w].Load()); i%8 != 0 && got[w] != want {
					t.Errorf("connection %d has %d of writer %d, %d were sent", i, got[w], w, want)
				}
			}
		})
	}
	for w := range writers {
		order := make([]int, conns)
		for k := range order {
			if order[k] = k; w%2 != 0 {
				order[k] = conns - 1 - k
			}
		}
		all.Go(func() {
			b := new(Burst[int])
			for round := range rounds {
				for k, i := range order {
					b.Add(Write[int]{Conn: &peers[i].c, Buffer: NewBuffer(record(w, int(sent[i][w].Load()), (round+k)%200))})
				}
				for k, o := range outcomesOf(b.Send()) {
					i := order[k]
					if o.OK() {
						sent[i][w].Add(1)
					} else if i%8 != 0 {
						t.Errorf("connection %d: %v", i, o)
					}
				}
			}
		})
	}
	all.Go(func() {
		for range rounds {
			for i, p := range peers {
				if p.c.Write(nil, record(writers, int(sent[i][writers].Load()), 10)).OK() {
					sent[i][writers].Add(1)
				}
			}
		}
	})
	all.Go(func() {
		for round := range rounds {
			for i, nc := range clients {
				if _, err := nc.Write(record(writers+1, round, 20)); err == nil {
					sent[i][writers+1].Add(1)
				} else if i%8 != 0 {
					t.Error(err)
				}
			}
			if i := 8 * round; i < conns {
				peers[i].c.Close(errTest)
			}
		}
	})
	all.Wait()
	eventually(t, "all echoes are there", func() bool {
		for i := range conns {
			if i%8 != 0 && echoed[i].Load() < sent[i][writers+1].Load() && !t.Failed() {
				return false
			}
		}
		return true
	})
	for _, p := range peers {
		p.c.Finish(nil, waitLimit)
	}
	readers.Wait()
}

// A delivery in a burst allocates nothing.
func TestBurstAllocations(t *testing.T) {
	s := serve(t, Options{}, func(*peer) {})
	clients, peers := s.crowd(t, BurstSize)
	b, data, buf := new(Burst[int]), NewBuffer(make([]byte, 128)), make([]byte, 128)
	checkAllocations(t, 300, func() {
		for _, p := range peers {
			b.Add(Write[int]{Conn: &p.c, Buffer: data})
		}
		for _, w := range b.Send() {
			if w.Outcome != Sent {
				t.Error(w.Outcome)
			}
		}
		for _, nc := range clients {
			if _, err := io.ReadFull(nc, buf); err != nil {
				t.Error(err)
			}
		}
	})
}

// Contexts are bounded, used again, and gone after the end.
func TestAioContexts(t *testing.T) {
	needAio(t)
	e := newEngine(t, Options{Loops: 2})
	k := &e.aio
	var hired []aioContext
	for {
		r, ok := k.get()
		if !ok {
			break
		}
		hired = append(hired, r)
	}
	if n := len(hired); n == 0 || n > 2*2 || n != k.open {
		t.Fatalf("%d contexts for 2 loops, %d are open", n, k.open)
	}
	late := hired[0]
	for _, r := range hired[1:] {
		k.put(r)
	}
	if len(hired) > 1 {
		r, ok := k.get()
		if !ok || r != hired[len(hired)-1] {
			t.Error("an idle context is not used")
		}
		k.put(r)
	}
	k.end()
	if k.open != 1 {
		t.Errorf("%d are open beside the one in use", k.open-1)
	}
	if !late.works(t) {
		t.Error("the one in use was destroyed")
	}
	k.put(late)
	if k.open != 0 || late.works(t) {
		t.Errorf("%d contexts are open after the end", k.open)
	}
	if _, ok := k.get(); ok {
		t.Error("a context after the end")
	}
}

// works reports whether r can be written with.
func (r aioContext) works(t *testing.T) bool {
	t.Helper()
	fd, _ := streamPair(t)
	c := new(aioBatch)
	c.add(0, int32(fd), []byte("x"))
	c.submit(r)
	took, errno := c.answer(0)
	return took == 1 && errno == 0
}

// Where there are no aioContexts, that is said once. For want of a descriptor there is none for
// the moment.
func TestNoRings(t *testing.T) {
	if aioFits {
		needAio(t)
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	few := limit
	few.Cur = 0
	log := newLogs()
	k := aioContexts{log: newLogger(log), most: 4}
	func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &few); err != nil {
			t.Fatal(err)
		}
		defer unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
		for range 3 {
			if _, ok := k.get(); ok {
				t.Error("there is one")
			}
		}
	}()
	if n := log.count("each delivery takes a system call"); k.open != 0 || n != 1 {
		t.Errorf("%d are open, %d lines in the log", k.open, n)
	}
	if r, ok := k.get(); ok {
		r.destroy()
	} else if aioFits {
		t.Error("there is none when there are descriptors again")
	}
}

// streamPair returns the ends of a stream, of which the first does not block.
func streamPair(t *testing.T) (a, b int) {
	t.Helper()
	p := must[[2]int](t)(unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0))
	t.Cleanup(func() {
		unix.Close(p[0])
		unix.Close(p[1])
	})
	return p[0], p[1]
}

// Each call has its own answer, as send(2) would have given it, up to one that the kernel
// does not take.
func TestCalls(t *testing.T) {
	r := needAio(t)
	all, allTo := streamPair(t)
	part, partTo := streamPair(t)
	full, _ := streamPair(t)
	dead, deadTo := streamPair(t)
	for {
		if _, err := unix.Write(full, make([]byte, 1<<16)); err != nil {
			break
		}
	}
	if err := unix.Shutdown(deadTo, unix.SHUT_RD); err != nil {
		t.Fatal(err)
	}
	large := make([]byte, 1<<22)
	pattern(large, 0)
	c := new(aioBatch)
	for i, w := range []struct {
		fd int
		p  []byte
	}{{all, []byte("hello")}, {part, large}, {full, []byte("x")}, {dead, []byte("x")}, {all, []byte(" again")}, {-1, []byte("x")}, {all, []byte("never")}} {
		c.add(i, int32(w.fd), w.p)
	}
	c.submit(r)
	for i, want := range []struct {
		took  int
		errno syscall.Errno
	}{{5, 0}, {-1, 0}, {0, unix.EAGAIN}, {0, unix.EPIPE}, {6, 0}, {0, notCalled}, {0, notCalled}} {
		took, errno := c.answer(uint64(i))
		if want.took == -1 && took > 0 && took < len(large) {
			want.took = took
			got := make([]byte, len(large))
			for n := 0; n < took; {
				m, err := unix.Read(partTo, got[n:])
				if err != nil {
					t.Fatal(err)
				}
				n += m
			}
			if !bytes.Equal(got[:took], large[:took]) {
				t.Error("what was taken in part is not what was written")
			}
		}
		if took != want.took || errno != want.errno {
			t.Errorf("call %d: %d, %v; want %d, %v", i, took, errno, want.took, want.errno)
		}
	}
	got := make([]byte, 100)
	if n, err := unix.Read(allTo, got); err != nil || string(got[:n]) != "hello again" {
		t.Errorf("%q, %v", got[:max(n, 0)], err)
	}
	c.clear()
	if c.n != 0 || c.blocks != [BurstSize]iocb{} {
		t.Error("something is kept alive")
	}
}

// What is fit to leave together does, and nothing of it is left to be written singly.
func TestBurstLeavesTogether(t *testing.T) {
	r := needAio(t)
	s := serve(t, Options{}, func(*peer) {})
	clients, peers := s.crowd(t, 6)
	b := new(Burst[int])
	peers[1].c.mu.Lock() // somebody writes to it
	for i, p := range peers {
		b.Add(Write[int]{Conn: &p.c, Buffer: NewBuffer(make([]byte, 100+i/5*maxTogether))}) // the last is large
	}
	if done := writeTogether(b.writes[:b.n], &b.batch, r); done != 1<<0|1<<2|1<<3|1<<4 {
		t.Errorf("%b are done", done)
	}
	peers[1].c.mu.Unlock()
	for i, nc := range clients {
		if i != 1 && i != 5 {
			expect(t, nc, string(make([]byte, 100)))
		}
	}
}

// A context that is refused is no harm: what it should have written is written.
func TestBurstOnBrokenContext(t *testing.T) {
	s := serve(t, Options{}, func(*peer) {})
	clients, peers := s.crowd(t, minBurst)
	s.aio.idle, s.aio.open = []aioContext{1}, 1 // no such context
	for i, o := range burst(new(Burst[int]), peers, func(int) string { return "hello" }) {
		if o != Sent {
			t.Errorf("%d: %v", i, o)
		}
	}
	for _, nc := range clients {
		expect(t, nc, "hello")
	}
}
