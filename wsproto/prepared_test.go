package wsproto

import (
	"encoding/binary"
	"fmt"
	"strings"
	"sync"
	"testing"
)

func TestPrepare(t *testing.T) {
	for _, size := range []int{0, 125, 126, 65535, 65536} {
		payload := []byte(letters(size))
		p := Prepare(Binary, payload)
		clear(payload) // it was copied
		if want := rawFrame(0x82, letters(size), nil); string(p.Bytes()) != want || p.Len() != len(want) || p.Messages() != 1 {
			t.Errorf("%d bytes: %.30q, %d messages", size, p.Bytes(), p.Messages())
		}
	}
}

// What is no message is a mistake of the program: a ping of 1,000 bytes, or a close
// frame after which messages go on, would be held against it by its peers.
func TestSendOtherOpcodes(t *testing.T) {
	panics := func(f func()) (v any) {
		defer func() { v = recover() }()
		f()
		return nil
	}
	for _, op := range []Opcode{opContinuation, opClose, Ping, Pong, 3, 15} {
		if v := panics(func() { new(Conn).Send(op, nil) }); v != noMessage(op) {
			t.Errorf("Send with opcode %d: %v", op, v)
		}
		if v := panics(func() { Prepare(op, nil) }); v != noMessage(op) {
			t.Errorf("Prepare with opcode %d: %v", op, v)
		}
	}
}

func TestJoin(t *testing.T) {
	a, b := Prepare(Text, []byte("a")), Prepare(Binary, []byte(letters(300)))
	if Join(a) != a {
		t.Error("one is not the same")
	}
	none := Join()
	if none.Len() != 0 || none.Messages() != 0 {
		t.Error(none.Len(), none.Messages())
	}
	j := Join(a, none, Join(b, a, b))
	want := strings.Join([]string{rawFrame(0x81, "a", nil), rawFrame(0x82, letters(300), nil), rawFrame(0x81, "a", nil), rawFrame(0x82, letters(300), nil)}, "")
	if string(j.Bytes()) != want || j.Messages() != 4 || j.Len() != len(want) {
		t.Errorf("%d messages of %d bytes", j.Messages(), j.Len())
	}
}

// TestSendPrepared sends one encoding to many; the counters count messages.
func TestSendPrepared(t *testing.T) {
	const peers = 50
	conns := make(chan *Conn, peers)
	s := &Server{Handler: &Funcs{Open: func(c *Conn, _ *Request) { conns <- c }}}
	addr := listen(t, s)
	all := make([]*peer, peers)
	for i := range all {
		all[i] = dialPeer(t, addr)
	}
	one, two := Prepare(Text, []byte("one")), Prepare(Binary, []byte(letters(100_000)))
	for range peers {
		c := next(t, conns)
		if o := c.SendPrepared(Join(one, two)); !o.OK() {
			t.Error(o)
		}
		if o := c.SendPrepared(one); !o.OK() {
			t.Error(o)
		}
		if o := c.SendPrepared(Join()); !o.OK() {
			t.Error(o)
		}
	}
	for _, p := range all {
		p.expect(Text, "one")
		p.expect(Binary, letters(100_000))
		p.expect(Text, "one")
		p.send(text("x") + masked(0x01, "y") + ping("") + masked(0x80, "z"))
		p.expect(Pong, "")
	}
	eventually(t, "all messages counted", func() bool {
		st := s.Stats()
		return st.MessagesOut == 3*peers && st.MessagesIn == 2*peers
	})
}

// TestSendOrder has many goroutines send to one connection, by all means: the
// messages of each arrive whole and in order.
func TestSendOrder(t *testing.T) {
	const senders, each = 8, 300
	conns := make(chan *Conn, 1)
	s := &Server{Handler: &Funcs{Open: func(c *Conn, _ *Request) { conns <- c }}}
	p := dialPeer(t, listen(t, s))
	c := next(t, conns)
	var wg sync.WaitGroup
	for g := range senders {
		wg.Go(func() {
			for i := range each {
				payload := binary.BigEndian.AppendUint16([]byte{byte(g)}, uint16(i))
				payload = append(payload, strings.Repeat(string(rune('a'+g)), i*g)...)
				var o Outcome
				if g%2 == 0 {
					o = c.Send(Binary, payload)
				} else {
					o = c.SendPrepared(Prepare(Binary, payload))
				}
				if !o.OK() {
					t.Errorf("sender %d, message %d: %v", g, i, o)
					return
				}
			}
		})
	}
	var seen [senders]int
	for range senders * each {
		_, got := p.frame()
		g, i := int(got[0]), int(binary.BigEndian.Uint16(got[1:]))
		if i != seen[g] || string(got[3:]) != strings.Repeat(string(rune('a'+g)), i*g) {
			t.Fatalf("message %d of sender %d has %d bytes, want message %d", i, g, len(got), seen[g])
		}
		seen[g]++
	}
	wg.Wait()
}

func BenchmarkAppendFrame(b *testing.B) {
	for _, size := range []int{128, 4096, 64 << 10} {
		for name, mask := range map[string]*[4]byte{"plain": nil, "masked": {1, 2, 3, 4}} {
			b.Run(fmt.Sprint(name, size), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(size))
				payload, buf := []byte(letters(size)), make([]byte, 0, size+maxHeader)
				for b.Loop() {
					buf = appendFrame(buf[:0], true, Binary, payload, mask)
				}
			})
		}
	}
}

func BenchmarkPrepare(b *testing.B) {
	b.ReportAllocs()
	payload := []byte(letters(128))
	for b.Loop() {
		Prepare(Binary, payload)
	}
}

func BenchmarkJoin(b *testing.B) {
	b.ReportAllocs()
	var ps []*Prepared
	for range 64 {
		ps = append(ps, Prepare(Binary, []byte(letters(128))))
	}
	b.SetBytes(int64(64 * ps[0].Len()))
	for b.Loop() {
		Join(ps...)
	}
}
