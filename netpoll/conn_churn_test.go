//go:build linux

package netpoll

import (
	"encoding/binary"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// identity is what each connection of TestChurn is told again and again, and
// what its own bytes consist of.
type identity uint64

func (id identity) bytes() []byte { return binary.BigEndian.AppendUint64(nil, uint64(id)) }

// churn is the server's side of TestChurn: connections that said who they are.
type churn struct {
	mu   sync.Mutex
	in   map[*peer]*Buffer // what each is told
	news chan struct{}     // many have come since the last round
	came int
}

func (ch *churn) add(p *peer, b *Buffer) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	ch.in[p] = b
	if ch.came++; ch.came%32 == 0 {
		select {
		case ch.news <- struct{}{}:
		default:
		}
	}
}

// register has p hear from its client who it is, and nothing else.
func (ch *churn) register(t *testing.T, p *peer) {
	var mine *Buffer
	p.onData = func(data []byte) int {
		for used := 0; ; used += 8 {
			if len(data)-used < 8 {
				return used
			}
			word := data[used : used+8]
			if mine == nil {
				mine = NewBuffer(append([]byte(nil), word...))
				ch.add(p, mine)
				p.c.WriteBuffer(mine)
			} else if string(word) != string(mine.Bytes()) {
				t.Errorf("the server's connection %x got %x", mine.Bytes(), word)
			}
		}
	}
	p.onClose = func(error) {
		ch.mu.Lock()
		delete(ch.in, p)
		ch.mu.Unlock()
	}
}

// broadcast tells everybody who he is until stop. It works on lists that are out
// of date, so that many writes go to connections that have just gone.
func (ch *churn) broadcast(stop <-chan struct{}) {
	var peers []*peer
	var bufs []*Buffer
	for {
		select {
		case <-stop:
			return
		case <-ch.news:
		}
		for i, p := range peers { // as they were the last time
			p.c.WriteBuffer(bufs[i])
		}
		peers, bufs = peers[:0], bufs[:0]
		ch.mu.Lock()
		for p, b := range ch.in {
			peers, bufs = append(peers, p), append(bufs, b)
		}
		ch.mu.Unlock()
		for i, p := range peers {
			p.c.Write(bufs[i].Bytes(), nil)
		}
	}
}

// heard checks what a client was told; n bytes of the current word came before.
func heard(t *testing.T, id identity, data []byte, n int) {
	want := id.bytes()
	for i, b := range data {
		if b != want[(n+i)%8] {
			t.Errorf("client %x got %x", want, data)
			return
		}
	}
}

// engineClient connects through the engine, hears words times who it is, and
// closes, in one of several ways.
func engineClient(t *testing.T, e *Engine, to netip.AddrPort, id identity, closed func()) {
	p := newPeer(t)
	p.onOpen = func() { p.c.Write(id.bytes(), id.bytes()) }
	n := 0
	p.onData = func(data []byte) int {
		heard(t, id, data, n)
		if n += len(data); n >= 8 {
			switch id % 3 {
			case 0:
				p.c.Close(nil)
			case 1:
				p.c.Finish(nil, time.Second)
			case 2:
				go p.c.Close(nil)
			}
		}
		return len(data)
	}
	p.onClose = func(error) { closed() }
	// Many addresses, because the ports of closed connections stay taken for a while.
	from := netip.AddrFrom4([4]byte{127, 0, 1, byte(1 + id%200)})
	if err := e.Dial(from, to, p); err != nil {
		t.Error(err)
		closed()
	}
}

// netClient is the same with the standard library, whose descriptors come from
// the same numbers.
func netClient(t *testing.T, addr string, id identity) {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Error(err)
		return
	}
	defer nc.Close()
	nc.(*net.TCPConn).SetLinger(int(id/3%2) - 1) // some reset
	nc.SetDeadline(time.Now().Add(waitLimit))
	buf := make([]byte, 512)
	if _, err := nc.Write(id.bytes()); err != nil {
		t.Error(err)
		return
	}
	for got := 0; got < 8; {
		n, err := nc.Read(buf)
		if err != nil {
			t.Errorf("client %x: %v", uint64(id), err)
			return
		}
		heard(t, id, buf[:n], got)
		got += n
	}
}

// Descriptors' numbers are reused at once, by both sides, while a broadcaster
// writes to everybody it ever knew: no byte reaches a stranger.
func TestChurn(t *testing.T) {
	total := 100_000
	if testing.Short() || raceEnabled {
		total = 20_000
	}
	const dialers, inFlight = 4, 32
	ch := &churn{in: make(map[*peer]*Buffer), news: make(chan struct{}, 1)}
	s := serve(t, Options{}, func(p *peer) {
		p.opened = nil
		ch.register(t, p)
	})
	to := netip.MustParseAddrPort(s.addr)
	stop := make(chan struct{})
	var caster, wg sync.WaitGroup
	caster.Go(func() { ch.broadcast(stop) })
	var next atomic.Uint64
	for range dialers {
		wg.Go(func() {
			places := make(chan struct{}, inFlight)
			for id := next.Add(1); id <= uint64(total) && !t.Failed(); id = next.Add(1) {
				if id%16 == 0 {
					netClient(t, s.addr, identity(id))
					continue
				}
				places <- struct{}{}
				engineClient(t, s.Engine, to, identity(id), func() { <-places })
			}
			for range inFlight { // until all of ours are closed
				places <- struct{}{}
			}
		})
	}
	wg.Wait()
	close(stop)
	caster.Wait()
	eventually(t, "all have gone", func() bool { return s.Stats().Open == 0 })
	if st := s.Stats(); !t.Failed() && st.Accepted != int64(total) {
		t.Errorf("%d were accepted, want %d", st.Accepted, total)
	}
}
