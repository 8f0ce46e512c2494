package wsproto

import (
	"encoding/json"
	"strings"
	"testing"
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
