package wsproto

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// question is a call of AcceptAsync.
type question struct {
	request *Request
	ctx     context.Context
	done    func(error)
}

// asking returns a server whose questions the test answers.
func asking(h Handler) (*Server, chan question) {
	asked := make(chan question, 100)
	s := &Server{Handler: h, Logger: quiet}
	s.AcceptAsync = func(r *Request, done func(error)) { asked <- question{r, r.Context(), done} }
	return s, asked
}

// eachWay runs f with a server on its own port, with TLS, and mounted in net/http.
func eachWay(t *testing.T, f func(t *testing.T, s *Server, asked chan question, dial func(*testing.T) *peer)) {
	for _, way := range []string{"plain", "tls", "mounted"} {
		t.Run(way, func(t *testing.T) {
			s, asked := asking(echo(t))
			switch way {
			case "plain":
				addr := listen(t, s)
				f(t, s, asked, func(t *testing.T) *peer { return dialTCP(t, addr) })
			case "tls":
				addr, config := listenTLS(t, s)
				f(t, s, asked, func(t *testing.T) *peer { return dialTLS(t, addr, config).peer })
			case "mounted":
				addr := mountIn(t, s, s)
				f(t, s, asked, func(t *testing.T) *peer { return dialTCP(t, addr) })
			}
		})
	}
}

// TestAskAdmits: the answer may come late, and with it everything that Accept may decide.
func TestAskAdmits(t *testing.T) {
	eachWay(t, func(t *testing.T, s *Server, asked chan question, dial func(*testing.T) *peer) {
		p := dial(t)
		p.send(withLine("GET /room?x=1 HTTP/1.1", "Sec-WebSocket-Protocol: a, b"))
		q := next(t, asked)
		if q.request.Path() != "/room" || q.request.Header.Get("Sec-WebSocket-Key") != sampleKey {
			t.Errorf("AcceptAsync sees %q, %v", q.request.Path(), q.request.Header.Clone())
		}
		q.request.Subprotocol = "b"
		q.request.ResponseHeader.Set("X-Added", "1")
		opened := make(chan string, 1)
		h := echo(t)
		h.Open = func(c *Conn, r *Request) { opened <- r.Path() + " " + r.Header.Get("Host") + " " + c.Subprotocol() }
		q.request.Handler = h
		q.done(nil)
		q.done(errors.New("too late"))
		header, _ := p.response(http.StatusSwitchingProtocols)
		if header.Get("X-Added") != "1" || header.Get("Sec-WebSocket-Protocol") != "b" {
			t.Errorf("the response has %v", header)
		}
		if got := next(t, opened); got != "/room example.test b" {
			t.Errorf("OnOpen sees %s", got)
		}
		p.expectEcho("hello")
		if err := q.ctx.Err(); err != nil {
			t.Errorf("the context of an open connection: %v", err)
		}
	})
}

// TestAskRefuses: the response is that of the Refusal.
func TestAskRefuses(t *testing.T) {
	eachWay(t, func(t *testing.T, s *Server, asked chan question, dial func(*testing.T) *peer) {
		p := dial(t)
		p.send(goodRequest("/"))
		next(t, asked).done(&Refusal{Status: http.StatusTooManyRequests, Reason: "not now", Header: http.Header{"Retry-After": {"7"}}})
		h, body := p.response(http.StatusTooManyRequests)
		if h.Get("Retry-After") != "7" || strings.TrimSpace(body) != "not now" {
			t.Errorf("%v %q", h, body)
		}
		p.nc.Close()
		eventually(t, "the refusal is counted", func() bool {
			st := s.Stats()
			return st.Upgrades.Refused == 1 && st.Refusals[http.StatusTooManyRequests] == 1 && st.Open == 0
		})
	})
}

// TestAskAtOnce: AcceptAsync itself may answer, also on the behalf of a client that has already sent a
// message.
func TestAskAtOnce(t *testing.T) {
	s := &Server{Handler: echo(t), AcceptAsync: func(r *Request, done func(error)) {
		if r.Path() == "/no" {
			done(Refuse(http.StatusForbidden, "no"))
		}
		done(nil)
	}}
	addr := listen(t, s)
	p := dialTCP(t, addr)
	p.send(goodRequest("/") + text("early"))
	p.response(http.StatusSwitchingProtocols)
	p.expect(Text, "early")
	p = dialTCP(t, addr)
	p.send(goodRequest("/no"))
	p.response(http.StatusForbidden)
}

// TestAskEarlyInput: what a client sends before the response is handled after it, whatever has
// come by then, and most of it waits in the socket.
func TestAskEarlyInput(t *testing.T) {
	eachWay(t, func(t *testing.T, s *Server, asked chan question, dial func(*testing.T) *peer) {
		const each, count = 8 << 10, 100
		for _, head := range []string{goodRequest("/") + text("early"), goodRequest("/")} {
			p := dial(t)
			p.send(head)
			q := next(t, asked)
			early := count
			if strings.HasSuffix(head, "\r\n\r\n") {
				p.send(text("early"))
			}
			sent := make(chan bool)
			go func() {
				for range early {
					if _, err := p.w.Write([]byte(text(letters(each)))); err != nil {
						break
					}
				}
				close(sent)
			}()
			eventually(t, "something waits", func() bool { return s.Stats().Held > 0 })
			if st := s.Stats(); st.Held > 3*int64(s.Engine.ReadBuffer) {
				t.Errorf("the server holds %d bytes of a client that nobody has admitted", st.Held)
			}
			q.done(nil)
			p.response(http.StatusSwitchingProtocols)
			p.expect(Text, "early")
			for range early {
				p.expect(Text, letters(each))
			}
			next(t, sent)
		}
	})
}

// TestAskGone: the program learns that the client has gone, and its answer has no effect.
func TestAskGone(t *testing.T) {
	eachWay(t, func(t *testing.T, s *Server, asked chan question, dial func(*testing.T) *peer) {
		p := dial(t)
		p.send(goodRequest("/"))
		q := next(t, asked)
		p.reset()
		next(t, q.ctx.Done())
		if err := context.Cause(q.ctx); err == nil || errors.Is(err, context.Canceled) {
			t.Errorf("the cause is %v", err)
		}
		q.done(nil)
		eventually(t, "the connection ends", func() bool { return s.Stats().Open == 0 && s.Stats().Upgrades.Aborted == 1 })
		if st := s.Stats(); st.Upgrades.Opened != 0 {
			t.Errorf("%+v", st.Upgrades)
		}
	})
}

// TestAskAdmittedGone: a connection that was admitted before its end is opened all the same.
func TestAskAdmittedGone(t *testing.T) {
	eachWay(t, func(t *testing.T, s *Server, asked chan question, dial func(*testing.T) *peer) {
		for range 100 {
			a := new(admission)
			p := dial(t)
			p.send(goodRequest("/"))
			q := next(t, asked)
			q.request.Handler = a
			go p.reset()
			a.open.Add(1)
			if q.done(nil); q.ctx.Err() != nil {
				a.open.Add(-1)
			}
			eventually(t, "what was taken is given back", func() bool { return a.open.Load() == 0 })
		}
		eventually(t, "all have ended", func() bool { return s.Stats().Open == 0 })
		if st := s.Stats(); st.Upgrades.Opened+st.Upgrades.Aborted != 100 {
			t.Errorf("%+v", st.Upgrades)
		}
	})
}

// TestAskTimeout: a decision that does not come in time has no effect, and the client may try
// again.
func TestAskTimeout(t *testing.T) {
	for _, early := range []string{"", text("early")} {
		s, asked := asking(echo(t))
		s.HandshakeTimeout, s.Engine.Sweep = 50*time.Millisecond, 10*time.Millisecond
		addr := listen(t, s)
		p := dialTCP(t, addr)
		p.send(goodRequest("/") + early)
		q := next(t, asked)
		if h, _ := p.response(http.StatusServiceUnavailable); h.Get("Retry-After") == "" {
			t.Errorf("no Retry-After in %v", h)
		}
		next(t, q.ctx.Done())
		if err := context.Cause(q.ctx); !errors.Is(err, ErrHandshakeTimeout) {
			t.Errorf("the cause is %v", err)
		}
		if q.request.Path() != "/" {
			t.Errorf("the request is %q before done", q.request.Path())
		}
		q.done(nil)
		if st := s.Stats(); st.Upgrades.TimedOut != 1 || st.Upgrades.Opened != 0 {
			t.Errorf("%+v", st.Upgrades)
		}
	}
}

// TestAskShutdown: Shutdown does not wait for decisions.
func TestAskShutdown(t *testing.T) {
	eachWay(t, func(t *testing.T, s *Server, asked chan question, dial func(*testing.T) *peer) {
		dial(t).send(goodRequest("/"))
		q := next(t, asked)
		shutdown(t, s)
		next(t, q.ctx.Done())
		q.done(nil)
	})
}

// TestAskPanics: a panic refuses the handshake, whatever was answered before.
func TestAskPanics(t *testing.T) {
	for _, answer := range []bool{false, true} {
		for _, mounted := range []bool{false, true} {
			s, _ := asking(echo(t))
			s.AcceptAsync = func(_ *Request, done func(error)) {
				if answer {
					done(nil)
				}
				panic("on purpose")
			}
			var addr string
			if mounted {
				addr = mountIn(t, s, s)
			} else {
				addr = listen(t, s)
			}
			p := dialTCP(t, addr)
			p.send(goodRequest("/"))
			p.response(http.StatusInternalServerError)
			p.nc.Close()
			eventually(t, "the end", func() bool { return s.Stats().Open == 0 })
			if st := s.Stats(); st.Upgrades.Refused != 1 || st.Upgrades.Opened != 0 {
				t.Errorf("%+v", st.Upgrades)
			}
		}
	}
}

// TestAskHoldsNoWorker has more undecided handshakes than there are workers, and serves others
// meanwhile.
func TestAskHoldsNoWorker(t *testing.T) {
	const waiting = 100
	s, asked := asking(echo(t))
	s.Engine = netpoll.Options{Workers: 2}
	inner := s.AcceptAsync
	s.AcceptAsync = func(r *Request, done func(error)) {
		if r.Path() == "/now" {
			done(nil)
			return
		}
		inner(r, done)
	}
	addr := listen(t, s)
	var peers []*peer
	for range waiting {
		p := dialTCP(t, addr)
		p.send(goodRequest("/"))
		peers = append(peers, p)
	}
	var all []question
	for range waiting {
		all = append(all, next(t, asked))
	}
	p := dialTCP(t, addr)
	p.send(goodRequest("/now"))
	p.response(http.StatusSwitchingProtocols)
	p.expectEcho("hello")
	for _, q := range all {
		q.done(nil)
	}
	for _, p := range peers {
		p.response(http.StatusSwitchingProtocols)
		p.expectEcho("hello")
	}
	if st := s.Stats(); st.Held != 0 {
		t.Errorf("%d bytes are still charged", st.Held)
	}
}

// TestAskMemory: a handshake that waits keeps its header and little more.
func TestAskMemory(t *testing.T) {
	const conns = 500
	s, asked := asking(echo(t))
	addr := listen(t, s)
	open := func(n int) {
		for range n {
			p := dialTCP(t, addr)
			p.send(goodRequest("/"))
			next(t, asked)
		}
	}
	open(20)
	before := heap()
	open(conns)
	each := (heap() - before) / conns
	t.Logf("%d bytes for each, client included", each)
	if each > 12<<10 {
		t.Errorf("%d bytes for each handshake that waits", each)
	}
}

// TestAskCharges: what a handshake that waits holds for its fields is charged, too, and is given back.
func TestAskCharges(t *testing.T) {
	s, asked := asking(echo(t))
	p := dialTCP(t, listen(t, s))
	const fields = 100
	head := with(slices.Repeat([]string{"+a:"}, fields)...)
	p.send(head)
	q := next(t, asked)
	least := int64(len(head) + fields*int(unsafe.Sizeof(field{})))
	eventually(t, "the header and its fields are charged", func() bool { return s.Stats().Held >= least })
	q.done(nil)
	p.response(http.StatusSwitchingProtocols)
	eventually(t, "nothing is charged", func() bool { return s.Stats().Held == 0 })
}

// TestTooManyFields: the fields of a header take more memory than its bytes, so their number is bounded.
func TestTooManyFields(t *testing.T) {
	s, asked := asking(echo(t))
	s.HTTP = http.NotFoundHandler()
	addr := listen(t, s)
	own := strings.Count(goodRequest("/"), "\r\n") - 2
	for _, first := range []string{goodRequest("/"), request("GET / HTTP/1.1", "Host: example.test")} {
		p := dialTCP(t, addr)
		p.send(strings.TrimSuffix(first, "\r\n") + strings.Repeat("a:\r\n", maxFields) + "\r\n")
		p.response(http.StatusRequestHeaderFieldsTooLarge)
	}
	p := dialTCP(t, addr)
	p.send(with(slices.Repeat([]string{"+a:"}, maxFields-own)...))
	next(t, asked).done(nil)
	p.response(http.StatusSwitchingProtocols)
	p.expectEcho("hello")
}

// TestAskExcludesAccept: a server cannot ask both.
func TestAskExcludesAccept(t *testing.T) {
	s, _ := asking(echo(t))
	s.Accept = func(*Request) error { return nil }
	if err := s.Validate(); err == nil || !strings.Contains(err.Error(), "AcceptAsync") {
		t.Errorf("Validate: %v", err)
	}
}

// TestAskEnds counts OnClose for connections that are admitted while the server shuts down.
func TestAskEnds(t *testing.T) {
	a := new(admission)
	s, asked := asking(a)
	addr := listen(t, s)
	for range 50 {
		dialTCP(t, addr).send(goodRequest("/"))
	}
	ended := make(chan bool)
	defer close(ended)
	go func() {
		for {
			select {
			case q := <-asked:
				a.open.Add(1)
				if q.done(nil); q.ctx.Err() != nil {
					a.open.Add(-1)
				}
			case <-ended:
				return
			}
		}
	}()
	eventually(t, "some are open", func() bool { return s.Stats().Upgrades.Opened > 3 })
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_ = s.Shutdown(ctx)
	eventually(t, "what was taken is given back", func() bool { return a.open.Load() == 0 })
}
