package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// The server sheds the largest transfer of the address that holds most, and no other one.
func TestTransfersShedTheHeaviest(t *testing.T) {
	ts := &transfers{most: 1000}
	at := func(s string) *transfer { return ts.begin(httptest.NewRecorder(), netip.MustParseAddr(s)) }
	wants := func(held int64, shed uint64) {
		t.Helper()
		if h, s := ts.stats(); h != held || s != shed {
			t.Fatalf("%d bytes are held, %d were shed; want %d, %d", h, s, held, shed)
		}
	}
	one, light, heavy, lone := at("192.0.2.1"), at("192.0.2.2"), at("192.0.2.2"), at("192.0.2.3")
	for tr, n := range map[*transfer]int{one: 100, light: 200, heavy: 300, lone: 400} {
		if !tr.grow(n) {
			t.Fatal("there is room")
		}
	}
	wants(1000, 0)
	if !one.grow(1) || heavy.grow(0) || !light.grow(0) || !lone.grow(0) {
		t.Error("the heaviest of the heaviest should be given up")
	}
	wants(701, 1)
	if lone.grow(5000) { // by itself it is too large
		t.Error("it is over the bound")
	}
	wants(301, 2)
	for _, tr := range []*transfer{one, light, heavy, lone, lone} {
		tr.end()
	}
	wants(0, 2)
	if len(ts.owners) != 0 {
		t.Errorf("%d addresses are remembered", len(ts.owners))
	}
	if free := (&transfers{most: -1}); !free.begin(nil, netip.Addr{}).grow(1<<40) || len(free.owners) != 0 {
		t.Error("no bound is a bound")
	}
}

// dialFrom connects from an address of the loopback network.
func dialFrom(t *testing.T, from, to string) (net.Conn, *bufio.Reader) {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	nc, err := d.Dial("tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(20 * time.Second))
	return nc, bufio.NewReader(nc)
}

// Bodies whose rest does not arrive are shed for the bodies of others, with all the memory that they hold.
func TestBodiesHaveABudget(t *testing.T) {
	const size = 60_000
	p := start(t, "-max-message", "64k", "-max-pending", "1M", "-total-bodies", "1M", "-trusted-proxies", "none", "-admin", "127.0.0.1:0")
	answers := make(chan string, 30)
	for range cap(answers) {
		nc, r := dialFrom(t, "127.0.0.9", p.addr)
		fmt.Fprintf(nc, "POST /topics/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", size, strings.Repeat("x", size-1))
		go func() {
			if resp, err := http.ReadResponse(r, nil); err == nil {
				body, _ := io.ReadAll(resp.Body)
				answers <- fmt.Sprint(resp.StatusCode, resp.Header["Retry-After"], string(body))
			}
		}()
	}
	healthy := func() string {
		_, body := p.operator("GET", healthPath, "")
		return body
	}
	if !settles(func() bool {
		b := healthy()
		return strings.Contains(b, `"shed":{`) && !strings.Contains(b, `"messages":0,"transfers":0`)
	}) {
		t.Fatal(healthy())
	}
	for i := range 30 { // others' are not touched
		if resp, body := p.request("POST", "/topics/x", "", strings.NewReader(strings.Repeat("y", size))); resp.StatusCode != http.StatusOK {
			t.Fatalf("%d: %s %s", i, resp.Status, body)
		}
	}
	if got := <-answers; !strings.HasPrefix(got, `503 [1]{"error":"the server holds too many request bodies; try again later"}`) {
		t.Error(got)
	}
}
