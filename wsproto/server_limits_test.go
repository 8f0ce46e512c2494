package wsproto

import (
	queue "container/heap"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// retryAfterOf reads a refusal, and returns when the client shall return, in seconds.
func (p *peer) retryAfterOf(status int) int {
	p.Helper()
	h, _ := p.response(status)
	n, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || n < 1 || n > 60 {
		p.Errorf("Retry-After is %q", h.Get("Retry-After"))
	}
	return n
}

func ask(t *testing.T, addr, uri string) *peer {
	t.Helper()
	p := dialTCP(t, addr)
	p.send(goodRequest(uri))
	return p
}

// TestMaxHandshakes: a handshake that waits for its decision counts, until it is over in any way.
func TestMaxHandshakes(t *testing.T) {
	eachWay(t, func(t *testing.T, s *Server, asked chan question, dial func(*testing.T) *peer) {
		l := s.Limits()
		l.MaxHandshakes = 2
		if err := s.SetLimits(l); err != nil {
			t.Fatal(err)
		}
		open := func() *peer {
			p := dial(t)
			p.send(goodRequest("/"))
			return p
		}
		for round, end := range []func(*peer, question){
			func(p *peer, q question) { q.done(nil); p.response(http.StatusSwitchingProtocols) },
			func(p *peer, q question) {
				q.done(Refuse(http.StatusForbidden, "no"))
				p.response(http.StatusForbidden)
			},
			func(p *peer, q question) { p.reset(); next(t, q.ctx.Done()) },
		} {
			p := open()
			q := next(t, asked)
			other := open()
			kept := next(t, asked)
			open().retryAfterOf(http.StatusServiceUnavailable)
			if st := s.Stats(); st.Handshakes != 2 || st.Limited.Handshakes != int64(round+1) {
				t.Errorf("%d under way; %+v", st.Handshakes, st.Limited)
			}
			end(p, q)
			end(other, kept)
			eventually(t, "none is under way", func() bool { return s.Stats().Handshakes == 0 })
		}
	})
}

// TestBusy: a program can tell a page why its handshake has failed, and when to return.
func TestBusy(t *testing.T) {
	s := &Server{Handler: echo(t), HandshakeRate: 1, RateLocal: true}
	addr := listen(t, s)
	if r := s.Busy(netip.IPv6Loopback()); r != nil {
		t.Errorf("%v before the first handshake", r)
	}
	dialPeer(t, addr)
	for _, after := range []string{"1", "2"} {
		if r := s.Busy(netip.IPv6Loopback()); r == nil || r.Status != 503 || r.Header.Get("Retry-After") != after {
			t.Errorf("%+v, want 503 and Retry-After: %s", r, after)
		}
	}
}

// TestHandshakeRate: those beyond the rate are told to return one after another.
func TestHandshakeRate(t *testing.T) {
	s := &Server{Handler: echo(t), HandshakeRate: 1, RateLocal: true}
	addr := listen(t, s)
	ask(t, addr, "/").response(http.StatusSwitchingProtocols)
	last := 0
	for range 20 {
		p := ask(t, addr, "/")
		b, err := p.br.Peek(12)
		if err != nil {
			t.Fatal(err)
		}
		if string(b[9:]) == "101" { // a second has passed
			continue
		}
		n := p.retryAfterOf(http.StatusServiceUnavailable)
		if n < last {
			t.Errorf("the next client shall return after %d s, before that of %d s", n, last)
		}
		last = n
	}
	if last < 10 {
		t.Errorf("the last of 20 clients shall return after %d s", last)
	}
	if st := s.Stats(); st.Limited.HandshakeRate+st.Upgrades.Opened != 21 || st.Refusals[503] != st.Limited.HandshakeRate {
		t.Errorf("%+v", st)
	}
}

// TestGateCosts: a handshake that is refused for another reason takes nothing from the rate.
func TestGateCosts(t *testing.T) {
	s := &Server{Handler: echo(t), HandshakeRate: 1, RateLocal: true}
	addr := listen(t, s)
	for range 5 {
		p := dialTCP(t, addr)
		p.send(with("Origin: http://elsewhere.test"))
		p.response(http.StatusForbidden)
	}
	ask(t, addr, "/").response(http.StatusSwitchingProtocols)
}

// arrivals are the times at which clients connect.
type arrivals []moment

func (a arrivals) Len() int           { return len(a) }
func (a arrivals) Less(i, j int) bool { return a[i] < a[j] }
func (a arrivals) Swap(i, j int)      { a[i], a[j] = a[j], a[i] }
func (a *arrivals) Push(v any)        { *a = append(*a, v.(moment)) }
func (a *arrivals) Pop() any {
	last := len(*a) - 1
	v := (*a)[last]
	*a = (*a)[:last]
	return v
}

// TestReconnect has 18,000 clients lose their connections at once. They return when they are
// told, and up to a quarter of a second later. All get in, at the rate, and without many attempts.
func TestReconnect(t *testing.T) {
	const crowd = 18_000
	for _, rate := range []int{100, 500, 5000} {
		var g gate
		var n limitCounters
		l := &Limits{HandshakeRate: rate, RateLocal: true}
		r := rand.New(rand.NewPCG(1, uint64(rate)))
		start := moment(time.Hour)
		var all arrivals
		for range crowd {
			all = append(all, start.add(time.Duration(r.IntN(1000))*time.Millisecond))
		}
		queue.Init(&all)
		attempts, end := 0, start
		perSecond := make(map[int]int)
		for len(all) > 0 {
			now := queue.Pop(&all).(moment)
			attempts++
			refusal := g.enter(l, true, netip.Addr{}, now, &n)
			if refusal == nil {
				g.leave()
				end = now
				perSecond[int(now.sub(start)/time.Second)]++
				continue
			}
			seconds, _ := strconv.Atoi(refusal.Header.Get("Retry-After"))
			if seconds < 1 || seconds > 60 {
				t.Fatalf("Retry-After is %d", seconds)
			}
			queue.Push(&all, now.add(time.Duration(seconds)*time.Second+time.Duration(r.IntN(250))*time.Millisecond))
		}
		took, ideal := end.sub(start), time.Duration(crowd/rate)*time.Second
		t.Logf("%d a second: all are in after %v, ideally %v, with %.2f attempts each", rate, took, ideal, float64(attempts)/crowd)
		if took > ideal+ideal/4+3*time.Second {
			t.Errorf("%d a second: all are in after %v, ideally %v", rate, took, ideal)
		}
		if attempts > crowd*(2+int(ideal/time.Minute)) {
			t.Errorf("%d a second: %d attempts of %d clients", rate, attempts, crowd)
		}
		for second, n := range perSecond {
			if n > 2*rate {
				t.Errorf("%d handshakes in second %d", n, second)
			}
		}
	}
}

// TestSlotsSpread: the times of a crowd's return are even over the minute, whatever its size.
func TestSlotsSpread(t *testing.T) {
	var s slots
	seconds := make([]int, 61)
	for range 50_000 {
		seconds[(s.reserve(100, 0)+time.Second-1)/time.Second]++
	}
	if lo, hi := slices.Min(seconds[1:]), slices.Max(seconds[1:]); seconds[0] != 0 || hi-lo > 200 {
		t.Errorf("between %d and %d clients a second", lo, hi)
	}
	if wait := s.reserve(100, moment(time.Hour)); wait != 10*time.Millisecond {
		t.Errorf("after an hour the first client waits %v", wait)
	}
}

// TestSetLimits changes what applies to the next handshake, as a whole or not at all.
func TestSetLimits(t *testing.T) {
	s := &Server{Handler: echo(t), Origins: []string{"a.test"}}
	addr := listen(t, s)
	try := func(origin string, status int) {
		t.Helper()
		p := dialTCP(t, addr)
		p.send(with("Origin: http://" + origin))
		p.response(status)
	}
	try("a.test", 101)
	try("b.test", 403)
	l := s.Limits()
	l.Origins = []string{"b.test"}
	for _, bad := range []func(*Limits){
		func(l *Limits) { l.MaxHandshakes = -1 },
		func(l *Limits) { l.HandshakeRate = -1 },
		func(l *Limits) { l.MaxConnsPerClient = -1 },
		func(l *Limits) { l.Hosts = []string{"http://x"} },
		func(l *Limits) { l.Rate = &Rate{Bytes: -1} },
	} {
		wrong := l
		bad(&wrong)
		if err := s.SetLimits(wrong); err == nil {
			t.Errorf("%+v is accepted", wrong)
		}
	}
	try("a.test", 101)
	if err := s.SetLimits(l); err != nil {
		t.Fatal(err)
	}
	try("a.test", 403)
	try("b.test", 101)
	l.Engine = &netpoll.Limits{MaxConns: 1}
	if err := s.SetLimits(l); err != nil {
		t.Fatal(err)
	}
	if now := s.Limits().Engine; now.MaxConns != 1 || now.Reserve != reserveFor(1) || now.MinDrain != s.MinRate {
		t.Errorf("%+v", now)
	}
	l.Engine = &netpoll.Limits{MaxConns: -1}
	if err := s.SetLimits(l); err == nil || s.Limits().Engine.MaxConns != 1 {
		t.Errorf("MaxConns -1: %v", err)
	}
	l.Engine = nil
	if err := s.SetLimits(l); err != nil || s.Limits().Engine.MaxConns != 1 {
		t.Errorf("without limits of the engine: %v", err)
	}
	wrong := &Server{Rate: &Rate{Messages: -1}}
	if err := wrong.Validate(); err == nil {
		t.Error("a negative rate is accepted")
	}
	if err := (&Server{RateCode: 1006}).Validate(); err == nil {
		t.Error("RateCode 1006 is accepted")
	}
}

// TestHandshakeRateSparesLocal: handshakes of the machine itself do not count, those of a proxy's clients do.
func TestHandshakeRateSparesLocal(t *testing.T) {
	proxies, err := ParseProxies("loopback")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Handler: echo(t), HandshakeRate: 1, Proxies: proxies}
	addr := listen(t, s)
	for range 5 {
		ask(t, addr, "/").response(http.StatusSwitchingProtocols)
	}
	refused := 0
	for range 20 {
		p := dialTCP(t, addr)
		p.send(with("X-Forwarded-For: 203.0.113.9"))
		b, err := p.br.Peek(12)
		if err != nil {
			t.Fatal(err)
		}
		if string(b[9:]) == "503" {
			refused++
		}
	}
	if refused == 0 || int64(refused) != s.Stats().Limited.HandshakeRate {
		t.Errorf("%d of 20 are refused; %+v", refused, s.Stats().Limited)
	}
	if r := s.Busy(netip.AddrFrom4([4]byte{127, 0, 0, 1})); r != nil {
		t.Errorf("a local client is told to return: %+v", r)
	}
}

// TestHandshakeRateShares: one remote address cannot use up the rate, so another one gets in; and refusals of one cost the others
// nothing.
func TestHandshakeRateShares(t *testing.T) {
	proxies, err := ParseProxies("loopback")
	if err != nil {
		t.Fatal(err)
	}
	const rate = 80
	s := &Server{Handler: echo(t), HandshakeRate: rate, Proxies: proxies}
	addr := listen(t, s)
	from := func(client string) bool {
		p := dialTCP(t, addr)
		p.send(with("X-Forwarded-For: " + client))
		b, err := p.br.Peek(12)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[9:]) == "101"
	}
	refused := false
	for range 20 * rate { // it takes far less than the seconds that it would take at its share
		if refused = !from("203.0.113.9"); refused {
			break
		}
	}
	if !refused {
		t.Error("one address may use all of the rate")
	}
	if !from("198.51.100.7") && !from("192.0.2.44") { // one of them may have the same share
		t.Error("another address is refused")
	}
}

// TestIsLocal: a program knows clients of Unix sockets by an address that is not valid; the server tells them from those whose
// address the kernel has forgotten after a reset.
func TestIsLocal(t *testing.T) {
	proxies, err := ParseProxies("10.0.0.0/8,unix")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Proxies: proxies}
	for text, want := range map[string]bool{"127.0.0.9": true, "::1": true, "10.1.1.1": true, "203.0.113.9": false, "2001:db8::1": false} {
		if a := netip.MustParseAddr(text); s.IsLocal(a) != want || s.isLocal(a) != want {
			t.Errorf("%s: want %v", text, want)
		}
	}
	if unknown := (netip.Addr{}); !s.IsLocal(unknown) || s.isLocal(unknown) || !s.isLocal(unixPeer) {
		t.Error("a forgotten address is taken for that of a Unix socket, or the other way round")
	}
}
