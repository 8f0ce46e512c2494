package wsproto

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// TestStats has connections end in different ways and compares the counters.
func TestStats(t *testing.T) {
	s := &Server{Handler: echo(t)}
	addr := listen(t, s)
	for _, code := range []Code{1000, 1001, 1011, 3005, 3999, 4000, 4401, 4711, 4999} {
		p := dialPeer(t, addr)
		p.expectEcho("x")
		p.send(closing(code, ""))
		p.expectClose(code)
		p.nc.Close()
	}
	dialPeer(t, addr).reset()
	broken := dialPeer(t, addr)
	broken.send("\xff\xff")
	broken.expectClose(ProtocolError)
	broken.nc.Close()
	dialTCP(t, addr).reset()
	stays := dialPeer(t, addr)
	eventually(t, "all but one have gone", func() bool { return s.Stats().Open == 1 })
	st := s.Stats()
	want := map[Code]int64{1000: 1, 1001: 1, 1002: 1, 1006: 1, 1011: 1, 3000: 2, 4000: 3, 4401: 1}
	if len(st.Closes) != len(want) {
		t.Errorf("closes: %v, want %v", st.Closes, want)
	}
	for code, n := range want {
		if st.Closes[code] != n {
			t.Errorf("closed with %d: %d, want %d", code, st.Closes[code], n)
		}
		if code == ProtocolError || code == AbnormalClosure { // by the server, and by nobody
			n = 0
		}
		if st.ClosesByPeer[code] != n {
			t.Errorf("closed by the peer with %d: %d, want %d", code, st.ClosesByPeer[code], n)
		}
	}
	if st.WebSockets != 1 || st.Upgrades != (UpgradeStats{Opened: 12, Aborted: 1}) || st.MessagesIn != 9 || st.MessagesOut != 9 || st.Abnormal != (AbnormalStats{Lost: 1}) {
		t.Errorf("%+v", st)
	}
	b, err := json.Marshal(st)
	if err != nil || !strings.Contains(string(b), `"closes":{"1000":1,`) || !strings.Contains(string(b), `"upgrades":{"opened":12,`) {
		t.Errorf("%s, %v", b, err)
	}
	stays.nc.Close()
}

// Peers choose codes and statuses come from programs: neither makes the counters grow.
func TestStatsBounded(t *testing.T) {
	var n counters
	for code := range 1 << 16 {
		n.close(&CloseError{Code: Code(code), Remote: code%2 == 0})
		n.refuse(code - 1000)
	}
	if closes := byCode(n.closes[:]); len(closes) != closeSlots || closes[4400] != 1 || closes[4499] != 1 || closes[4000] != 1<<16-4000-ownCodes {
		t.Errorf("%d codes: %v", len(closes), closes)
	}
	if all := nonZero(n.statuses[:]); len(all) != maxStatus {
		t.Errorf("%d statuses", len(all))
	}
}

// A handshake that ends in a panic is refused, and not aborted as well.
func TestStatsOfPanic(t *testing.T) {
	s := &Server{Handler: echo(t), Logger: quiet, Accept: func(*Request) error { panic("on purpose") }}
	p := dialTCP(t, listen(t, s))
	p.send(goodRequest("/"))
	p.response(500)
	p.nc.Close()
	eventually(t, "the connection has gone", func() bool { return s.Stats().Open == 0 })
	if st := s.Stats(); st.Upgrades != (UpgradeStats{Refused: 1}) || st.Refusals[500] != 1 || st.UpgradesRefused[500] != 1 {
		t.Errorf("%+v", st)
	}
}

// A WebSocket that ends without a close frame is counted by cause, each once.
func TestStatsOfAbnormalEnds(t *testing.T) {
	for err, want := range map[error]AbnormalStats{
		io.EOF: {Ended: 1}, unix.ECONNRESET: {Lost: 1}, unix.ETIMEDOUT: {Lost: 1}, unix.EPIPE: {Lost: 1}, ErrPongTimeout: {PongTimeout: 1},
		netpoll.ErrSlow: {Slow: 1}, netpoll.ErrShed: {Shed: 1}, netpoll.ErrShutdown: {Other: 1}, errors.New("another"): {Other: 1},
	} {
		var n counters
		n.close(&CloseError{Code: AbnormalClosure, Err: fmt.Errorf("wrapped: %w", err)})
		if got := n.abnormal.stats(); got != want {
			t.Errorf("%v: %+v", err, got)
		}
	}
}

// Compression counts what it has compressed and decompressed, and nothing of messages that it has not. A message for many is
// compressed once.
func TestStatsOfCompression(t *testing.T) {
	const size, small = 10_000, 100
	for _, takeover := range []bool{false, true} {
		s := &Server{Handler: echo(t), Compression: &Compression{Takeover: takeover}}
		addr := listen(t, s)
		got := make(chan int, 10)
		k := &Client{Compression: &Compression{Takeover: takeover}}
		var clients [2]*Conn
		for i := range clients {
			c, err := k.Dial(t.Context(), "ws://"+addr, &Funcs{Message: func(_ *Conn, _ Opcode, p []byte) { got <- len(p) }})
			if err != nil {
				t.Fatal(err)
			}
			clients[i] = c
			defer c.Close(NormalClosure, "")
		}
		clients[0].SendText(strings.Repeat("a", size))
		clients[0].SendText("short") // below the threshold
		for _, want := range []int{size, 5} {
			if n := next(t, got); n != want {
				t.Fatalf("%d bytes, want %d", n, want)
			}
		}
		st := s.Stats().Compression
		if st.SentPlain != size || st.ReceivedPlain != size || st.SentCompressed == 0 || st.SentCompressed > small || st.ReceivedCompressed == 0 || st.ReceivedCompressed > small {
			t.Errorf("takeover %v: %+v", takeover, st)
		}
		if takeover { // each connection has a window of its own
			continue
		}
		page, _ := s.Page(netpoll.Cursor{}, 10)
		p := Prepare(Text, bytes.Repeat([]byte("b"), size))
		for _, c := range page {
			c.SendPrepared(p)
			next(t, got)
		}
		if st := s.Stats().Compression; len(page) != 2 || st.SentPlain != 2*size {
			t.Errorf("%d connections got a message for all: %+v", len(page), st)
		}
	}
}
