package wsproto

import (
	"crypto/tls"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// TestIdlePagesMakeRoom has many more connections that idle, after a request and before
// one, than there may be: none of those who have something to say is refused.
func TestIdlePagesMakeRoom(t *testing.T) {
	const most, idlers, honest = 60, 300, 40
	for name, idle := range map[string]func(*peer){
		"after a request":   func(p *peer) { p.get("/hello", "hello") },
		"before a request":  func(p *peer) {},
		"within the header": func(p *peer) { p.send("GET / HTTP/1.1\r\nHost: ") },
	} {
		s := &Server{Handler: echo(t), HTTP: site(), Engine: netpoll.Options{MaxConns: most}}
		addr := listen(t, s)
		before := runtime.NumGoroutine()
		var all, echoing []*peer
		for i := range idlers {
			p := dialTCP(t, addr)
			idle(p)
			all = append(all, p)
			if i%(idlers/honest) == 0 {
				p := dialPeer(t, addr)
				p.expectEcho("hello")
				echoing = append(echoing, p)
			}
			if st := s.Stats(); st.Open+st.Detached > most+most/8 {
				t.Fatalf("%s: %d connections are open; the limit is %d", name, st.Open+st.Detached, most)
			}
		}
		for _, p := range echoing {
			p.expectEcho("still here")
		}
		if st := s.Stats(); st.RefusedFull > 0 {
			t.Errorf("%s: %d were refused", name, st.RefusedFull)
		}
		for _, p := range append(all, echoing...) {
			p.nc.Close()
		}
		eventually(t, "all is given back", func() bool {
			st := s.Stats()
			return st.Open+st.Detached == 0 && runtime.NumGoroutine() < before+most
		})
	}
}

// TestFull fills the server with WebSockets: others are told, and HTTP is answered.
func TestFull(t *testing.T) {
	var log logged
	s := &Server{Handler: echo(t), HTTP: site(), Logger: log.logger(), Engine: netpoll.Options{MaxConns: 3}}
	addr := listen(t, s)
	var held []*peer
	for range 3 {
		held = append(held, dialPeer(t, addr))
	}
	for range 20 { // who was refused takes no place either, though it stays
		p := dialTCP(t, addr)
		p.send(request("GET /hello HTTP/1.1", "Host: example.test"))
		p.response(http.StatusOK)
		p.expectEOF() // else it would take a place that others need
		p = dialTCP(t, addr)
		p.send(goodRequest("/"))
		if h, _ := p.response(http.StatusServiceUnavailable); h.Get("Retry-After") == "" {
			t.Errorf("%v", h)
		}
	}
	if log.count("-max-conns") != 1 {
		t.Errorf("the log is %q", log.b.String())
	}
	open := s.Stats().Open
	held[0].nc.Close()
	eventually(t, "its place is free", func() bool { return s.Stats().Open < open })
	dialPeer(t, addr).expectEcho("the next")
}

// TestSilence: the list keeps only connections that are silent, in their order.
func TestSilence(t *testing.T) {
	var q silentConns
	silent := make(map[*Conn]bool)
	for i := range 10_000 {
		c := new(Conn)
		q.add(c)
		if i%100 == 3 {
			silent[c] = true
		} else {
			c.flags.Or(flagHeard)
		}
		if n := len(q.queue); n > 2*len(silent)+1024 {
			t.Fatalf("%d connections in the queue, of which %d are silent", n, len(silent))
		}
	}
	n := 0
	for q.close() {
		n++
	}
	if n != len(silent) || len(q.queue) != 0 {
		t.Errorf("%d were closed, want %d; %d are left", n, len(silent), len(q.queue))
	}
}

// TestIdlePagesMakeRoomTLS is the same with TLS, where a client can be silent earlier, too.
func TestIdlePagesMakeRoomTLS(t *testing.T) {
	const most, idlers, honest = 8, 40, 6
	var config *tls.Config
	for name, idle := range map[string]func(addr string){
		"before TLS":             func(addr string) { dialTCP(t, addr) },
		"within the ClientHello": func(addr string) { dialTCP(t, addr).send("\x16\x03\x01\x02\x00\x01") },
		"before a request":       func(addr string) { dialTLS(t, addr, config) },
		"after a request":        func(addr string) { getTLS(t, addr, config) },
	} {
		t.Run(name, func(t *testing.T) {
			s := &Server{Handler: echo(t), HTTP: site(), Engine: netpoll.Options{MaxConns: most, TLSTimeout: time.Hour}}
			var addr string
			addr, config = listenTLS(t, s)
			var echoing []*tlsPeer
			for i := range idlers {
				idle(addr)
				if i%(idlers/honest) == 0 && len(echoing) < honest {
					p := dialTLS(t, addr, config).upgrade()
					p.send(text("hello"))
					p.expect(Text, "hello")
					echoing = append(echoing, p)
				}
			}
			for _, p := range echoing {
				p.send(text("still here"))
				p.expect(Text, "still here")
			}
			if st := s.Stats(); st.RefusedFull > 0 || st.Open+st.Detached > most+4 {
				t.Errorf("%+v", st)
			}
		})
	}
}

// getTLS connects, has a page, and stays.
// The list does not keep a crowd that has left until somebody else connects.
func TestSilenceOfCrowd(t *testing.T) {
	var q silentConns
	all := make([]*Conn, 10_000)
	for i := range all {
		all[i] = new(Conn)
		q.add(all[i])
	}
	silent := all[0]
	for _, c := range all[1:] {
		c.flags.Or(flagHeard)
		q.ended()
	}
	if n := len(q.queue); n > 512 {
		t.Errorf("%d connections are kept", n)
	}
	if !q.close() || !silent.flags.CompareAndSwap(flagHeard, 0) || q.close() {
		t.Error("the one that is silent was not closed")
	}
}

func getTLS(t *testing.T, addr string, config *tls.Config) *tlsPeer {
	p := dialTLS(t, addr, config)
	p.send(request("GET /hello HTTP/1.1", "Host: example.test"))
	p.response(http.StatusOK)
	return p
}

// When the bound ends, the list of those that would make room ends, too.
func TestNoRoomIsNeeded(t *testing.T) {
	s := &Server{Handler: echo(t)}
	s.Engine.MaxConns = 10
	addr := listen(t, s)
	dialTCP(t, addr)
	listed := func() int {
		s.silent.mu.Lock()
		defer s.silent.mu.Unlock()
		return len(s.silent.queue)
	}
	eventually(t, "the connection is listed", func() bool { return listed() == 1 })
	if err := s.SetLimits(Limits{Engine: &netpoll.Limits{}}); err != nil {
		t.Fatal(err)
	}
	dialTCP(t, addr)
	eventually(t, "both are open", func() bool { return s.Stats().Open == 2 })
	if n := listed(); n != 0 {
		t.Errorf("%d connections are listed", n)
	}
}
