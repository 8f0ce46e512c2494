package wsproto

import (
	"testing"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// A burst of Frames reaches each connection as SendPrepared would: those that compress, with
// and without a window that is kept, and a client, which cannot be sent to.
func TestFrames(t *testing.T) {
	offers := []string{"", deflateName + "; server_no_context_takeover", deflateName}
	const each, rounds = 5, 3
	conns := make(chan *Conn, 1)
	s := &Server{
		Compression: &Compression{Threshold: -1, Takeover: true},
		Handler:     &Funcs{Open: func(c *Conn, _ *Request) { conns <- c }},
	}
	addr := listen(t, s)
	client, err := newClient(t).Dial(t.Context(), "ws://"+addr, new(Funcs))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(NormalClosure, "") })
	all, peers := []*Conn{client, next(t, conns)}, []*peer{}
	for i := range each * len(offers) {
		p := dialTCP(t, addr)
		if o := offers[i%len(offers)]; o != "" {
			p.offer(o)
		} else {
			p.offer()
		}
		peers, all = append(peers, p), append(all, next(t, conns))
	}
	b := new(netpoll.Burst[int])
	for round := range rounds {
		p := Prepare(Text, []byte(greek(round)))
		got := make([]Outcome, len(all))
		for i, c := range all {
			if conn, frames := c.Frames(p); frames != nil {
				b.Add(netpoll.Write[int]{To: i, Conn: conn, Buffer: frames, Messages: 1})
			} else {
				got[i] = c.SendPrepared(p)
			}
		}
		for _, w := range b.Send() {
			got[w.To] = w.Outcome
		}
		for i, o := range got {
			if want := map[bool]Outcome{true: Closed, false: Sent}[i == 0]; o != want {
				t.Errorf("round %d, %d: %v, want %v", round, i, o, want)
			}
		}
	}
	if got, want := s.Stats().MessagesOut, int64(rounds*(len(all)-1)); got != want {
		t.Errorf("%d messages were counted, want %d", got, want)
	}
	for i, p := range peers {
		for round := range rounds {
			b0, got := p.frame()
			if b0 == textDeflated {
				got = []byte(unsqueeze(t, string(got), nil))
			}
			if string(got) != greek(round) || offers[i%len(offers)] == "" && b0 == textDeflated {
				t.Fatalf("%d, round %d: %#x %q", i, round, b0, got)
			}
		}
	}
}

// readCounter counts messages, and how many of them a read has brought.
type readCounter struct {
	Funcs
	now  int
	each chan int
}

func (r *readCounter) OnMessage(*Conn, Opcode, []byte) { r.now++ }

func (r *readCounter) OnReadEnd(*Conn) {
	if r.now > 0 {
		r.each <- r.now
	}
	r.now = 0
}

// OnReadEnd follows the messages of a read, collected ones too, and what breaks a rule.
func TestOnReadEnd(t *testing.T) {
	r := &readCounter{each: make(chan int, 100)}
	closed := make(chan *CloseError, 1)
	r.Close = func(_ *Conn, err *CloseError) { closed <- err }
	s := &Server{Handler: r, MaxMessage: 1 << 20, Engine: netpoll.Options{ReadBuffer: 4 << 10}}
	p := dialPeer(t, listen(t, s))
	p.send(text("one") + text("two") + text("three"))
	if n := next(t, r.each); n != 3 {
		t.Errorf("%d messages of a read, want 3", n)
	}
	p.send(masked(0x82, letters(200_000)))
	if n := next(t, r.each); n != 1 {
		t.Errorf("%d large messages, want 1", n)
	}
	p.send(text("one") + text("two") + masked(0x83, "there is no such opcode"))
	if n := next(t, r.each); n != 2 {
		t.Errorf("%d messages before what breaks a rule, want 2", n)
	}
	p.nc.Close()
	if err := next(t, closed); err.Code != ProtocolError {
		t.Error(err)
	}
}
