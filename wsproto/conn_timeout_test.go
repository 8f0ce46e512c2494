package wsproto

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// slowly has little patience, and asks for so much a second that a byte now and then
// earns nothing.
func slowly(h Handler) *Server {
	return &Server{Handler: h, Engine: brisk, MessageTimeout: 200 * time.Millisecond, StreamTimeout: 200 * time.Millisecond, MinRate: 1 << 20, CloseTimeout: 50 * time.Millisecond,
		PingInterval: 50 * time.Millisecond, PongTimeout: 500 * time.Millisecond}
}

// trickle sends s a byte at a time until the server has closed the connection, and
// returns what it got before.
func (p *peer) trickle(s string) string {
	p.Helper()
	got := make(chan string)
	go func() {
		b, _ := io.ReadAll(p.br)
		got <- string(b)
	}()
	late := time.After(patience)
	for i := 0; ; i++ {
		select {
		case b := <-got:
			return b
		case <-late:
			p.Fatal("a message that trickles is not cut off")
		case <-time.After(5 * time.Millisecond):
			if i < len(s) {
				_, _ = io.WriteString(p.nc, s[i:i+1])
			}
		}
	}
}

// TestTrickle sends a byte now and then, or nothing more, wherever that can be done.
func TestTrickle(t *testing.T) {
	for name, in := range map[string][2]string{
		"header":           {"", "\x82\xff\x00\x00\x00\x00\x00\x10\x00\x00" + zeroMask},
		"one byte":         {"\x82", ""},
		"control frame":    {"", ping(letters(125))},
		"half a ping":      {ping(letters(125))[:60], ""},
		"payload":          {"\x82\xff\x00\x00\x00\x00\x00\x10\x00\x00" + zeroMask, letters(5000)},
		"payload stops":    {"\x82\xff\x00\x00\x00\x00\x00\x10\x00\x00" + zeroMask + letters(50_000), ""},
		"fragments":        {masked(0x02, "begin"), strings.Repeat(masked(0x00, "x"), 1000)},
		"empty fragments":  {masked(0x02, ""), strings.Repeat(masked(0x00, ""), 1000)},
		"pings in between": {masked(0x02, "begin"), strings.Repeat(ping(""), 1000)},
	} {
		for _, interval := range []time.Duration{50 * time.Millisecond, time.Hour, -1} {
			h, ended := closes(echo(t))
			s := slowly(h)
			s.PingInterval = interval
			p := dialPeer(t, listen(t, s))
			p.expectEcho("first")
			p.send(in[0])
			t.Log(name, interval)
			got := p.trickle(in[1])
			if err := next(t, ended); !errors.Is(err, ErrMessageTimeout) || !errors.Is(err, os.ErrDeadlineExceeded) || err.Code != PolicyViolation {
				t.Errorf("%s, pinged after %v: %v", name, interval, err)
			}
			if !strings.Contains(got, "\x03\xf0the message came too slowly") {
				t.Errorf("%s: the peer got %q", name, got)
			}
		}
	}
}

// TestSteady sends messages that take much longer than the timeout, at a good rate.
func TestSteady(t *testing.T) {
	for _, interval := range []time.Duration{50 * time.Millisecond, -1} {
		s := slowly(echo(t))
		s.PingInterval, s.MinRate = interval, 2000
		p := dialPeer(t, listen(t, s))
		message := letters(40_000)
		begin := time.Now()
		for in := text(message); len(in) > 0; {
			n := min(1000, len(in))
			p.send(in[:n])
			in = in[n:]
			time.Sleep(20 * time.Millisecond) // 50 kB a second
		}
		if time.Since(begin) < 2*s.MessageTimeout {
			t.Error("this was no slow message")
		}
		for {
			if b0, got := p.frame(); b0 == 0x81 {
				if string(got) != message {
					t.Error("it is not the same")
				}
				break
			}
		}
	}
}

// TestBeginIsNoted has many messages that come in two parts, each in time, for much
// longer than one may take.
func TestBeginIsNoted(t *testing.T) {
	s := slowly(echo(t))
	p := dialPeer(t, listen(t, s))
	go func() { _, _ = io.Copy(io.Discard, p.br) }()
	for begin, i := time.Now(), 0; time.Since(begin) < 3*s.MessageTimeout; i++ {
		in := text(letters(60))
		at := 1 + i%(len(in)-1)
		p.send(in[:at])
		time.Sleep(time.Millisecond)
		p.send(in[at:])
		if i%10 == 0 {
			time.Sleep(2 * time.Millisecond)
		}
	}
	if st := s.Stats(); st.Open != 1 {
		t.Error("a peer that was in time is gone")
	}
}

// TestTrickleStream trickles a message that is streamed, to a handler that reads it and
// to one that has read enough.
func TestTrickleStream(t *testing.T) {
	for _, reads := range []bool{true, false} {
		h, ended := closes(&Funcs{Stream: func(_ *Conn, _ Opcode, r io.Reader) (err error) {
			if reads {
				_, err = io.Copy(io.Discard, r)
			}
			return err
		}})
		s := slowly(h)
		s.StreamAbove = 1000
		p := dialPeer(t, listen(t, s))
		p.send("\x82\xff\x00\x00\x00\x00\x00\x10\x00\x00" + zeroMask)
		p.trickle(letters(5000))
		if err := next(t, ended); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("reads %v: %v", reads, err)
		}
	}
}

// TestTrickleWriter takes a message that is written in pieces a byte at a time.
func TestTrickleWriter(t *testing.T) {
	wrote := make(chan error, 1)
	h := &Funcs{Stream: func(c *Conn, _ Opcode, _ io.Reader) error {
		w, err := c.NewWriter(Binary)
		if err != nil {
			return err
		}
		defer w.Close()
		_, err = io.CopyN(w, repeater("0123456789abcde"), 256<<20)
		wrote <- err
		return nil
	}}
	s := slowly(h)
	s.StreamAbove = 10
	p := dialPeer(t, listen(t, s))
	_ = p.nc.SetReadBuffer(4 << 10)
	p.send(binmsg(letters(100)))
	for b := make([]byte, 1); ; {
		select {
		case err := <-wrote:
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error(err)
			}
			return
		case <-time.After(5 * time.Millisecond):
			_, _ = p.nc.Read(b)
		}
	}
}

// TestTrickleTLS sends a TLS record a byte at a time: the protocol above gets nothing, so a
// ping is not answered.
func TestTrickleTLS(t *testing.T) {
	h, ended := closes(echo(t))
	s := slowly(h)
	s.PongTimeout = 200 * time.Millisecond
	addr, config := listenTLS(t, s)
	p := dialTLS(t, addr, config).upgrade()
	record := "\x17\x03\x03\x40\x00" + letters(5000)
	newPeer(t, p.nc).trickle(record)
	if err := next(t, ended); !errors.Is(err, ErrPongTimeout) {
		t.Error(err)
	}
}

// TestHeldIsNotLate holds a connection within a message for longer than that may take.
func TestHeldIsNotLate(t *testing.T) {
	held := make(chan *Conn, 1)
	h := &Funcs{Message: func(c *Conn, op Opcode, p []byte) {
		if string(p) == "hold" {
			c.Hold()
			held <- c
			return
		}
		c.Send(op, p)
	}}
	s := slowly(h)
	s.MinRate = 1
	p := dialPeer(t, listen(t, s))
	in := text("after")
	p.send(text("hold") + in[:3])
	c := next(t, held)
	time.Sleep(3 * s.MessageTimeout)
	c.Resume()
	p.send(in[3:])
	for {
		if b0, got := p.frame(); b0 == 0x81 && string(got) == "after" {
			return
		} else if b0 == 0x88 {
			t.Fatalf("closed: %q", got)
		}
	}
}

// TestPartialsAreCounted: messages that do not end use up the memory for all connections; the
// largest are closed, and others are served.
func TestPartialsAreCounted(t *testing.T) {
	const peers, size, budget = 20, 512 << 10, 4 << 20
	const overshoot = 4 * size
	opts := brisk
	opts.Workers = 4
	opts.TotalPending = budget
	s := &Server{Handler: echo(t), Engine: opts}
	addr := listen(t, s)
	for range peers {
		p := dialPeer(t, addr)
		go func() { // a part of it may find the connection closed
			_, _ = io.WriteString(p.nc, "\x82\xff\x00\x00\x00\x00\x00\x10\x00\x00"+zeroMask+letters(size))
		}()
		// A message is counted before others are closed for it, so each of the workers may be
		// one above the limit for a moment.
		if held := s.Stats().Held; held > budget+overshoot {
			t.Fatalf("%d bytes are held; the limit is %d", held, budget)
		}
	}
	eventually(t, "the heaviest are closed", func() bool {
		st := s.Stats()
		return st.Shed > 0 && st.Open == peers-st.Shed && st.Held > budget/2 && st.Held <= budget
	})
	p := dialPeer(t, addr)
	p.expectEcho("still served")
	p.send(text(letters(200_000)))
	p.expect(Text, letters(200_000))
	eventually(t, "the limit holds", func() bool { return s.Stats().Held <= budget })
}

// TestSmallPartialsAreCounted has many messages of which a few KiB have come: each is small,
// and all together are not. What has ended counts no more.
func TestSmallPartialsAreCounted(t *testing.T) {
	const peers, size = 50, 5 << 10
	s := &Server{Handler: echo(t), Engine: brisk}
	addr := listen(t, s)
	var all []*peer
	for range peers {
		p := dialPeer(t, addr)
		p.send("\x82\xfe\x20\x00" + zeroMask + letters(size))
		all = append(all, p)
	}
	eventually(t, "what has come is counted", func() bool { return s.Stats().Held >= peers*size })
	for _, p := range all {
		p.send(letters(8<<10 - size))
		p.expect(Binary, letters(size)+letters(8<<10-size))
	}
	eventually(t, "nothing is held any more", func() bool { return s.Stats().Held == 0 })
}

// TestPingInTime measures the silence before the first ping, and between pings that are
// answered, of peers that are silent and of one that sends all the time.
func TestPingInTime(t *testing.T) {
	const interval, sweep = 600 * time.Millisecond, 100 * time.Millisecond
	s := &Server{Handler: new(Funcs), PingInterval: interval, Engine: netpoll.Options{Sweep: sweep}}
	addr := listen(t, s)
	for _, busy := range []bool{false, true} {
		p := dialPeer(t, addr)
		stop := make(chan bool)
		if busy {
			go func() {
				for {
					select {
					case <-stop:
						return
					case <-time.After(10 * time.Millisecond):
						_, _ = io.WriteString(p.nc, text("x"))
					}
				}
			}()
		}
		// On a machine that is busy some may be late. If nothing were set off against the
		// sweep, all were.
		inTime, last := 0, time.Now()
		for i := 0; inTime < 2; i++ {
			if p.expect(Ping, ""); i > 0 && time.Since(last) <= interval {
				inTime++
			}
			if i == 20 {
				t.Fatalf("busy %v: %d of %d pings came in time", busy, inTime, i)
			}
			last = time.Now()
			if !busy {
				p.send(pong(""))
			}
		}
		close(stop)
	}
	if d := (&endpoint{ping: defaultPing, sweep: time.Second}).interval(); d > 24*time.Second {
		t.Errorf("by default the deadline is after %v", d)
	}
}
