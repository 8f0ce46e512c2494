//go:build linux

package netpoll

import (
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// block fills what the kernel has for p, whose peer does not read, so that nearly
// nothing is pending, and what is written next waits.
func (p *peer) block(t testing.TB) {
	t.Helper()
	_ = unix.SetsockoptInt(int(p.c.fd), unix.SOL_SOCKET, unix.SO_SNDBUF, 4096)
	p.c.mu.Lock()
	p.c.wide = true // a large write shall not make it wide
	p.c.mu.Unlock()
	for p.c.Pending() == 0 {
		if o := p.c.Write(nil, make([]byte, 512)); !o.OK() {
			t.Fatal(o)
		}
	}
}

// blocked returns n peers of a server to which writes wait.
func blocked(t testing.TB, s *server, n int) (all []*peer) {
	for range n {
		p, _ := blockedPeer(t, s)
		all = append(all, p)
	}
	return all
}

// blockedPeer returns one, and its client, for which the kernel takes little.
func blockedPeer(t testing.TB, s *server) (*peer, net.Conn) {
	small := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 4096) })
	}}
	nc := must[net.Conn](t)(small.Dial("tcp", s.addr))
	t.Cleanup(func() { nc.Close() })
	p := receive(t, "accept", s.new)
	p.block(t)
	return p, nc
}

func (p *peer) holds() int {
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	return p.c.heldLocked()
}

func (p *peer) wantShed(t testing.TB) {
	t.Helper()
	if err := receive(t, "OnClose", p.closed); err != ErrShed {
		t.Errorf("closed with %v, want ErrShed", err)
	}
}

func (p *peer) wantOpen(t testing.TB) {
	t.Helper()
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	if p.c.phase != live {
		t.Error("the connection has ended")
	}
}

// Peers that have us answer and read nothing hold no more than the budget, and those
// that are left are served.
func TestTotalPendingIsBounded(t *testing.T) {
	const peers, total = 40, 8 << 20
	s := serve(t, Options{TotalPending: total, MaxPending: 1 << 20}, func(p *peer) {
		p.onData = func(data []byte) int {
			p.c.Write(nil, data) // Closed, if it is shed by that
			return len(data)
		}
	})
	var senders sync.WaitGroup
	for range peers {
		nc, _ := s.connect(t)
		_ = nc.SetReadBuffer(4096)
		_ = nc.SetWriteBuffer(16 << 10)
		senders.Go(func() {
			data := make([]byte, 32<<10)
			for {
				nc.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
				if _, err := nc.Write(data); err != nil {
					return
				}
				if held := s.Stats().Held; held > total {
					t.Errorf("%d bytes are held", held)
					return
				}
			}
		})
	}
	senders.Wait()
	st := s.Stats()
	if st.Shed == 0 || st.Open < 2 || st.Held > total || st.Held < total/4 {
		t.Errorf("%+v", st)
	}
	nc, _ := s.connect(t)
	if err := roundTrip(nc, []byte("hello"), make([]byte, 5)); err != nil {
		t.Error(err)
	}
}

func TestTheHeaviestIsShed(t *testing.T) {
	const unit = 32 << 10
	s := serve(t, Options{TotalPending: 16 * unit}, func(*peer) {})
	p := blocked(t, s, 3)
	for i, units := range []int{2, 9, 3} {
		if o := p[i].c.Write(nil, make([]byte, units*unit)); o != Queued {
			t.Fatal(o)
		}
	}
	if o := p[0].c.Write(nil, make([]byte, 2*unit)); o != Queued {
		t.Errorf("the write that was too much: %v, want queued", o)
	}
	p[1].wantShed(t)
	p[0].wantOpen(t)
	p[2].wantOpen(t)
	if st := s.Stats(); st.Shed != 1 || st.Held < 6*unit || st.Held > 8*unit {
		t.Errorf("%+v", st)
	}
}

// A connection that is itself the heaviest is told so by its write.
func TestShedByItsOwnWrite(t *testing.T) {
	for name, write := range map[string]func(c *Conn, p []byte) Outcome{
		"Write":       func(c *Conn, p []byte) Outcome { return c.Write(nil, p) },
		"WriteBuffer": func(c *Conn, p []byte) Outcome { return c.WriteBuffer(NewBuffer(p)) },
		"behind an Exclusive": func(c *Conn, p []byte) Outcome {
			if c.access == accessOpen {
				must[*Exclusive](t)(c.Reserve())
			}
			return c.Write(nil, p)
		},
	} {
		t.Run(name, func(t *testing.T) {
			const total = 1 << 20
			s := serve(t, Options{TotalPending: total}, func(*peer) {})
			p := blocked(t, s, 1)[0]
			o, n := Queued, 0
			for ; o == Queued; n += 64 << 10 {
				o = write(&p.c, make([]byte, 64<<10))
			}
			if o != Closed || n > total || n < total/2 {
				t.Errorf("after %d bytes: %v", n, o)
			}
			p.wantShed(t)
		})
	}
}

// What many wait for is in memory once, and one of them answers for it.
func TestSharedBuffersCountOnce(t *testing.T) {
	const peers, size, total = 20, 512 << 10, 1 << 20
	s := serve(t, Options{TotalPending: total}, func(*peer) {})
	p := blocked(t, s, peers)
	b := NewBuffer(make([]byte, size))
	for _, p := range p {
		if o := p.c.WriteBuffer(b); o != Queued {
			t.Fatal(o)
		}
	}
	few := int64(peers * 8192)
	if st := s.Stats(); st.Shed != 0 || st.Held < size || st.Held > size+few || st.Queued < peers*size {
		t.Errorf("%+v", st)
	}
	if p[0].holds() < size || p[1].holds() > 8192 {
		t.Errorf("the first holds %d bytes, the second %d", p[0].holds(), p[1].holds())
	}
	p[0].c.Close(nil)
	receive(t, "OnClose", p[0].closed)
	if held, o := s.Stats().Held, orphans.Load(); held < size || held > size+few || o != size {
		t.Errorf("after the first has left %d bytes are held, %d of them orphans", held, o)
	}
	if o := p[1].c.WriteBuffer(b); o != Queued || p[1].holds() < size || orphans.Load() != 0 {
		t.Errorf("the next that queues it does not answer for it: %v, holds %d", o, p[1].holds())
	}
	for _, p := range p[1:] {
		p.c.Close(nil)
		receive(t, "OnClose", p.closed)
	}
	if st := s.Stats(); st.Held != 0 || orphans.Load() != 0 || b.holders.Load() != 0 {
		t.Errorf("at the end: %+v, %d orphans, %d holders", st, orphans.Load(), b.holders.Load())
	}
}

// Peers of which none is in a list of heavy ones are found, too.
func TestManyLightAreShed(t *testing.T) {
	const peers, each, total = 60, 3000, 128 << 10
	s := serve(t, Options{TotalPending: total}, func(*peer) {})
	for range peers {
		_, p := s.connect(t)
		p.c.Charge(each)
	}
	eventually(t, "some are shed", func() bool { return s.Stats().Held <= total })
	if st := s.Stats(); st.Shed == 0 || st.Shed > peers/2 {
		t.Errorf("%+v", st)
	}
}

// So are those that keep a buffer for which nobody answers.
func TestOrphansAreShed(t *testing.T) {
	const total = 1 << 20
	s := serve(t, Options{TotalPending: total}, func(*peer) {})
	p := blocked(t, s, 12)
	for i := 0; i < len(p); i += 2 { // each buffer is held by one more, when the first leaves
		b := NewBuffer(make([]byte, 128<<10))
		p[i].c.WriteBuffer(b)
		p[i+1].c.WriteBuffer(b)
		p[i].c.Close(nil)
		receive(t, "OnClose", p[i].closed)
	}
	light := blocked(t, s, 1)[0]
	light.c.Charge(300 << 10) // too much together
	light.wantShed(t)
	if n := s.Stats().Held; n > total {
		t.Errorf("%d bytes are held", n)
	}
	for range 6 {
		b := NewBuffer(make([]byte, 120<<10))
		q := blocked(t, s, 2)
		q[0].c.WriteBuffer(b)
		q[1].c.WriteBuffer(b)
		q[0].c.Close(nil)
	}
	eventually(t, "it is within the budget", func() bool { return s.Stats().Held <= total })
}

func TestChargeCounts(t *testing.T) {
	s := serve(t, Options{}, func(*peer) {})
	_, p := s.connect(t)
	p.c.Charge(100 << 10)
	p.c.Charge(50 << 10)
	p.c.Charge(-100 << 10)
	if n := s.Stats().Held; n != 50<<10 {
		t.Errorf("%d bytes are held", n)
	}
	p.c.Charge(-50 << 10)
	if p.c.cold != nil {
		t.Errorf("kept: %+v", p.c.cold)
	}
	p.c.Charge(1 << 20)
	p.c.Close(io.EOF)
	receive(t, "OnClose", p.closed)
	p.c.Charge(-1 << 20)
	if n := s.Stats().Held; n != 0 {
		t.Errorf("%d bytes are held at the end", n)
	}
}

// Input that a handler leaves over is memory, too.
func TestTailsCount(t *testing.T) {
	const size = 20 << 10
	s := serve(t, Options{}, func(p *peer) {
		p.onData = func(data []byte) int {
			if len(data) < size {
				return 0
			}
			return len(data)
		}
	})
	nc, _ := s.connect(t)
	write(t, nc, make([]byte, size-1))
	eventually(t, "it is held", func() bool { n := s.Stats().Held; return n >= size-1 && n < size+8192 })
	write(t, nc, []byte{0})
	eventually(t, "nothing is held", func() bool { return s.Stats().Held == 0 })
}

func TestNoTotal(t *testing.T) {
	s := serve(t, Options{TotalPending: -1}, func(*peer) {})
	_, p := s.connect(t)
	p.c.Charge(1 << 50)
	p.wantOpen(t)
}

// Whoever comes and goes, one answers for a buffer, or it is counted as an orphan.
func TestBufferHolders(t *testing.T) {
	b := NewBuffer(make([]byte, 10))
	before := orphans.Load()
	var answering atomic.Int64
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(1, uint64(i)))
			var mine []bool
			for range 5000 {
				if rnd.IntN(2) == 0 {
					answers := b.hold()
					if answers && answering.Add(1) != 1 {
						t.Error("two answer")
					}
					mine = append(mine, answers)
				} else if n := len(mine); n > 0 {
					if mine[n-1] {
						answering.Add(-1)
					}
					b.release(mine[n-1])
					mine = mine[:n-1]
				}
			}
			for _, answers := range mine {
				if answers {
					answering.Add(-1)
				}
				b.release(answers)
			}
		})
	}
	wg.Wait()
	if n := b.holders.Load(); n != 0 || orphans.Load() != before {
		t.Errorf("%d holders, %d orphans at the end", n, orphans.Load()-before)
	}
}

// A peer that was shed is told at once, with a reset.
func TestShedResets(t *testing.T) {
	s := serve(t, Options{TotalPending: 1 << 20}, func(*peer) {})
	nc, p := s.connect(t)
	p.c.Charge(2 << 20)
	p.wantShed(t)
	_, err := nc.Read(make([]byte, 1))
	if ne, ok := err.(net.Error); err == nil || err == io.EOF || ok && ne.Timeout() {
		t.Errorf("the peer got %v, want a reset", err)
	}
}
