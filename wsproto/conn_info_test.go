package wsproto

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// described is a handler that says what it is.
type described struct{ Funcs }

func (*described) Describe() string { return "a described handler" }

// A server lists its WebSockets, and nothing else that is connected, and finds each by its name.
func TestPage(t *testing.T) {
	const conns = 7
	s := &Server{Handler: echo(t), Compression: &Compression{}, Subprotocols: []string{"a"}}
	addr := listen(t, s)
	idle := dialTCP(t, addr) // has sent nothing
	for range conns {
		dialPeer(t, addr).expectEcho("x")
	}
	p := dialTCP(t, addr)
	p.send(request(strings.TrimRight(goodRequest("/"), "\r\n"), "Sec-WebSocket-Protocol: a", "Sec-WebSocket-Extensions: permessage-deflate"))
	p.response(101)
	eventually(t, "all are open", func() bool { st := s.Stats(); return st.WebSockets == conns+1 && st.Open == conns+2 })
	seen, special := make(map[netpoll.ConnID]bool), 0
	for at := (netpoll.Cursor{}); ; {
		page, next := s.Page(at, 3)
		for _, c := range page {
			info, ok := c.Info()
			if !ok || seen[info.ID] || s.Find(info.ID) != c || c.ID() != info.ID || c.Handler() != s.Handler {
				t.Errorf("%+v, %v", info, ok)
			}
			seen[info.ID] = true
			if info.Subprotocol == "a" && info.Compressed {
				special++
			}
			if !strings.Contains(info.Handler, ".echo.") || info.Client.IsValid() {
				t.Errorf("%+v", info)
			}
		}
		if at = next; at == (netpoll.Cursor{}) {
			break
		}
	}
	if len(seen) != conns+1 || special != 1 {
		t.Errorf("%d WebSockets, %d with a subprotocol", len(seen), special)
	}
	idle.nc.Close()
}

// A WebSocket says what its handler is, and for which client it is counted; and nothing after its end.
func TestConnInfo(t *testing.T) {
	h := new(described)
	opened := make(chan *Conn, 1)
	h.Open = func(c *Conn, _ *Request) { opened <- c }
	s := &Server{Handler: h, MaxConnsPerClient: 5, CountLocal: true}
	p := dialPeer(t, listen(t, s))
	c := <-opened
	info, ok := c.Info()
	if !ok || info.Handler != "a described handler" || info.Client != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("%+v, %v", info, ok)
	}
	if b, err := json.Marshal(info); err != nil || !strings.Contains(string(b), `"id":"`+info.ID.String()+`"`) || !strings.Contains(string(b), `"client":"127.0.0.1"`) {
		t.Errorf("%s, %v", b, err)
	}
	p.nc.Close()
	eventually(t, "it has gone", func() bool { return s.Stats().Open == 0 })
	if info, ok := c.Info(); ok || s.Find(info.ID) != nil {
		t.Errorf("after its end: %+v", info)
	}
	var zero Conn
	if _, ok := zero.Info(); ok || zero.Handler() != nil {
		t.Error("a connection that has never begun has a description")
	}
}
