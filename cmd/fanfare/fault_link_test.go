package main

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
)

// The link to many clients is cut, and the server sees no sign of it: neither FIN nor RST. Some of them are idle, for others there
// is output. The pings find all of them out, and nothing remains.
func TestPeersBehindDeadLink(t *testing.T) {
	link := netpolltest.NewLink(t)
	n := sized(2000, 300)
	p := startPatientAt(t, "127.0.0.1:0,"+link.Near+":0", "-ping", "1s", "-pong-timeout", "1s", "-max-conns-per-addr", "5000", "-handshake-rate", "0")
	c := behind(t, link, p, n)
	link.Cut()
	begin := time.Now()
	p.publishesMuch("dead")
	t.Logf("%d peers behind a dead link: %v", n, p.vitals())
	p.eventually("all are found out", func() bool { return p.health().Connections <= 2 })
	t.Logf("with -ping 1s -pong-timeout 1s the last one was found out after %v", time.Since(begin).Round(10*time.Millisecond))
	p.recovers("dead link", usual)
	c.close()
}

// Without pings, peers for which there is output are given up by the kernel: TCP_USER_TIMEOUT is a minute.
func TestOutputBehindDeadLink(t *testing.T) {
	if !full() {
		t.Skip("this takes a minute and a half: set FANFARE_FULL=1; TestUserTimeoutOfDeadLink in package netpoll is the same with a second")
	}
	link := netpolltest.NewLink(t)
	p := startPatientAt(t, "127.0.0.1:0,"+link.Near+":0", "-ping", "1h", "-pong-timeout", "1h", "-max-conns-per-addr", "5000", "-handshake-rate", "0")
	c := behind(t, link, p, 2000)
	link.Cut()
	begin := time.Now()
	p.publishesMuch("dead")
	idle := 1000
	for p.health().Connections > idle+2 && time.Since(begin) < 3*time.Minute {
		time.Sleep(100 * time.Millisecond)
	}
	if h := p.health(); h.Connections < idle || h.Connections > idle+2 {
		t.Errorf("%d connections remain, want those that are idle: %d", h.Connections, idle)
	}
	t.Logf("TCP_USER_TIMEOUT found out those with output after %v", time.Since(begin).Round(time.Second/10))
	c.reset()
	p.probes.within(probeBudget, "dead link")
}

// behind connects n clients behind the link; half of them are subscribers of the topic "dead".
func behind(t *testing.T, link *netpolltest.Link, p *patient, n int) *crowd {
	t.Helper()
	addr := ""
	for _, a := range p.addrs() {
		if host, _, _ := net.SplitHostPort(a); host == link.Near {
			addr = a
		}
	}
	var c *crowd
	link.Do(func() { c = storms(t, n, []string{addr}, "/topics/dead", "/echo") })
	if c == nil { // it has failed on the other thread
		t.FailNow()
	}
	if c.opened != n {
		t.Fatalf("of %d handshakes %d have failed, and %v were refused", n, c.failed, c.refused)
	}
	return c
}

// publishesMuch publishes more than a socket takes whose peer does not answer.
func (p *program) publishesMuch(topic string) {
	p.t.Helper()
	for range 4 {
		if r, body := p.request("POST", "/topics/"+topic, "text/plain", strings.NewReader(strings.Repeat("x", 100_000))); r.StatusCode != 200 {
			p.t.Fatal(body)
		}
	}
}
