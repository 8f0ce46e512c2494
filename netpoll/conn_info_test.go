//go:build linux

package netpoll

import (
	"net/netip"
	"testing"
)

// What is told of a connection is what has happened to it, and nothing once it has ended.
func TestConnInfo(t *testing.T) {
	s := serve(t, Options{MaxPending: 1 << 20}, func(p *peer) {
		p.onData = func(data []byte) int {
			p.c.Write(nil, make([]byte, 1000))
			return len(data)
		}
	})
	nc, p := s.connect(t)
	write(t, nc, make([]byte, 300))
	expect(t, nc, string(make([]byte, 1000)))
	turnOver(t, p)
	var info ConnInfo
	eventually(t, "the peer has acknowledged all", func() bool {
		i, ok := p.c.Info()
		info = i
		return ok && i.BytesOut >= 1000
	})
	if client := netip.MustParseAddrPort(nc.LocalAddr().String()); info.Remote != client || info.Loop != p.c.Loop() || info.BytesIn != 300 || info.TLS || info.RTT == 0 {
		t.Errorf("%+v of %v", info, client)
	}
	for p.c.Write(nil, make([]byte, 64<<10)) != Queued {
	}
	eventually(t, "the queue has the pending bytes", func() bool { // a turn may have them first
		i, _ := p.c.Info()
		if i.Pending == 0 { // the turn has sent all
			p.c.Write(nil, make([]byte, 64<<10))
		}
		return i.Pending > 0 && i.Held >= i.Pending && i.Unacked > 0
	})
	if s.Find(info.ID) != p {
		t.Error("it is not found")
	}
	p.c.Close(nil)
	receive(t, "its end", p.closed)
	if i, ok := p.c.Info(); ok || i != (ConnInfo{}) || p.c.ID() != (ConnID{}) || s.Find(info.ID) != nil {
		t.Errorf("after its end: %+v", i)
	}
	var zero Conn
	if i, ok := zero.Info(); ok || i != (ConnInfo{}) || zero.ID() != (ConnID{}) {
		t.Errorf("of a connection that has never begun: %+v", i)
	}
	other, q := s.connect(t) // has the same descriptor, perhaps
	if q.c.ID() == info.ID {
		t.Errorf("two connections have the name %v", info.ID)
	}
	other.Close()
}

// The pages have all connections, each with a name of its own.
func TestPage(t *testing.T) {
	const conns = 25
	s := serve(t, Options{Loops: 3}, func(*peer) {})
	names := make(map[ConnID]*peer)
	for range conns {
		_, p := s.connect(t)
		names[p.c.ID()] = p
	}
	if len(names) != conns {
		t.Fatalf("%d names", len(names))
	}
	for id, p := range names {
		parsed, err := ParseConnID(id.String())
		if err != nil || s.Find(parsed) != p {
			t.Errorf("%v is not found: %v", id, err)
		}
	}
	if s.Find(ConnID{fd: 1 << 20}) != nil {
		t.Error("a name that none has is found")
	}
	for _, limit := range []int{1, 3, 8, 9, conns, 1000} {
		seen, pages := make(map[Handler]int), 0
		at := Cursor{}
		for {
			page, next := s.Page(at, limit)
			if len(page) > limit {
				t.Fatalf("%d on a page of %d", len(page), limit)
			}
			for _, h := range page {
				seen[h]++
			}
			if pages++; next == (Cursor{}) {
				break
			}
			var err error
			if at, err = ParseCursor(next.String()); err != nil || at != next || pages > conns+4 {
				t.Fatalf("page %d after %v: %v, %v", pages, next, at, err)
			}
		}
		for h, n := range seen {
			if n != 1 {
				t.Errorf("%v is on %d pages", h.Conn().ID(), n)
			}
		}
		if len(seen) != conns {
			t.Errorf("pages of %d have %d connections", limit, len(seen))
		}
	}
}

// What is not a name or a place is refused, whatever it is.
func TestParse(t *testing.T) {
	for _, text := range []string{"", "-", "1", "1-", "-1-2", "1-g", "99999999999-1", "1-11112222333344445", "1-2-3", " 1-2"} {
		if id, err := ParseConnID(text); err == nil {
			t.Errorf("%q is %v", text, id)
		}
	}
	for _, text := range []string{".", "1", "1.", ".1", "-1.2", "1.-2", "70000.1", "1.2147483648", "1.2.3"} {
		if at, err := ParseCursor(text); err == nil {
			t.Errorf("%q is %v", text, at)
		}
	}
	if at, err := ParseCursor(""); err != nil || at != (Cursor{}) {
		t.Errorf("the beginning: %v, %v", at, err)
	}
	var id ConnID
	if err := id.UnmarshalText([]byte("7-ff")); err != nil || id != (ConnID{7, 255}) {
		t.Errorf("%v, %v", id, err)
	}
	if b, err := id.MarshalText(); err != nil || string(b) != "7-ff" {
		t.Errorf("%s, %v", b, err)
	}
}
