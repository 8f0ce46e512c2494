package main

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/config"
	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// The rates of users and topics hold for messages that come over HTTP, too. A message above the burst is admitted, and takes
// the time of those that follow.
func TestRatesOverHTTP(t *testing.T) {
	p := start(t, "-topic-byte-rate", "1", "-user-byte-rate", "1", "-user-header", "X-User")
	post := func(path, user, body string) (*http.Response, string) {
		t.Helper()
		resp := p.raw(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: here\r\nContent-Type: text/plain\r\nX-User: %s\r\nContent-Length: %d\r\n\r\n%s", path, user, len(body), body))
		b, _ := io.ReadAll(resp.Body)
		return resp, string(b)
	}
	long := strings.Repeat("x", 3600)
	for _, c := range []struct{ path, user, refused string }{
		{"/topics/a", "", ""}, {"/topics/a", "", "this topic"}, {"/topics/b", "ada", ""}, {"/topics/c", "ada", "user ada"}, {"/users/bob", "", ""}, {"/users/bob", "", "this topic"},
	} {
		resp, body := post(c.path, c.user, long)
		if refused := resp.StatusCode == http.StatusTooManyRequests; refused != (c.refused != "") || !strings.Contains(body, c.refused) || (resp.Header.Get("Retry-After") != "") != refused {
			t.Errorf("%+v: %s %v %s", c, resp.Status, resp.Header, body)
		}
	}
	resp, body := post("/publish", "", `{"messages":[{"topic":"a","text":"x"},{"topic":"d","text":"x"}]}`)
	if resp.StatusCode != http.StatusOK || strings.Count(body, "the rate limit of this topic") != 1 || strings.Count(body, "position") != 1 {
		t.Errorf("%s %s", resp.Status, body)
	}
}

// The default rates of connections and topics spare local clients; those that an operator sets do not.
func TestDefaultRatesSpareLocalClients(t *testing.T) {
	const huge = 1 << 30 // takes a credit of more than a second
	for _, c := range []struct {
		flags        string
		conn, topics bool // spare local clients
	}{{"", true, true}, {"-conn-message-rate 10000", false, true}, {"-topic-byte-rate 64MiB", true, false}} {
		a := newTestApp(t, strings.Fields(c.flags)...)
		remote, local := a.rates.ofConns(false), a.rates.ofConns(true)
		if remote == nil || *remote != (wsproto.Rate{Messages: 10000, Bytes: 64 << 20, Burst: time.Second}) || (local == nil) != c.conn {
			t.Errorf("%q: connections may send %+v, local ones %+v", c.flags, remote, local)
		}
		for _, who := range []bool{false, true} {
			topic := fmt.Sprint("topic", who)
			first, second := a.rates.topic(who, topic, huge, nil), a.rates.topic(who, topic, huge, nil)
			if spared := who && c.topics; first.wait != 0 || (second.wait == 0) != spared {
				t.Errorf("%q: local %v: a topic gets a message after %v, and another after %v", c.flags, who, first.wait, second.wait)
			}
		}
	}
}

func TestLocalClientsShare(t *testing.T) {
	a := newTestApp(t)
	for addr, want := range map[string]*shared{"127.0.0.2": &a.local, "::1": &a.local, "::": &a.local, "203.0.113.9": &a.remote, "2001:db8::1": &a.remote} {
		if a.sharedBy(netip.MustParseAddr(addr)) != want {
			t.Errorf("%s is local, or is not", addr)
		}
	}
}

// newTestApp returns a program that does not listen.
func newTestApp(t *testing.T, args ...string) *app {
	t.Helper()
	l := config.Load(args, nil)
	if len(l.Problems) > 0 {
		t.Fatal(l.Problems)
	}
	a, err := newApp(l.Config, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.close)
	return a
}

// Ping frames count as messages at every entrance, and so do requests that are not valid.
func TestPingsCount(t *testing.T) {
	p := start(t, "-conn-message-rate", "1", "-conn-burst", "2s")
	for _, path := range []string{"/echo", "/topics/a", "/topics/*", "/hub"} {
		c, ctx, done := p.dial(path), p.ctx(), make(chan struct{})
		go func() {
			defer close(done)
			for range 20 {
				_ = c.Ping(ctx) // fails when the connection closes
			}
		}()
		var err error
		for err == nil {
			_, _, err = c.Read(ctx)
		}
		<-done
		if websocket.CloseStatus(err) != wire.CloseRateLimited {
			t.Errorf("%s: %v", path, err)
		}
	}
	c := p.dial("/hub")
	for range 20 {
		p.send(c, `{"id":1,"do":"nothing"}`)
	}
	limited := 0
	for answers := 0; answers < 20; {
		_, b, err := c.Read(p.ctx())
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(b), `"id":1`) {
			answers++
		}
		if strings.Contains(string(b), wire.RateLimited) {
			limited++
		}
	}
	if limited == 0 {
		t.Error("requests that are not valid are free")
	}
}

// A message above a rate makes one line, which names its sender. The first message takes the time of an hour.
func TestSendersAboveRatesAreNamed(t *testing.T) {
	long := strings.Repeat("1", 3600)
	send := func(path string) func(*program) {
		return func(p *program) {
			c, _, err := websocket.Dial(p.ctx(), "ws://"+p.addr+path, &websocket.DialOptions{HTTPHeader: http.Header{"X-User": {"ada"}}})
			if err != nil {
				p.t.Fatal(err)
			}
			p.send(c, long)
			_ = c.Write(p.ctx(), websocket.MessageText, []byte("1"))
			p.endsWith(c, wire.CloseRateLimited)
		}
	}
	publish := func(p *program) {
		c := p.join("/hub", http.Header{"X-User": {"ada"}})
		for _, id := range []string{"1", "2"} {
			p.send(c.Conn, `{"id":`+id+`,"do":"publish","topic":"a","data":`+long+`}`)
		}
	}
	post := func(path, body string) func(*program) {
		return func(p *program) {
			for range 2 {
				p.raw(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: here\r\nX-User: ada\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body))
			}
		}
	}
	batch := `{"messages":[{"pattern":"a.*","data":` + long + `}]}`
	for name, c := range map[string]struct {
		rate string
		do   func(*program)
		want string
	}{
		"echo":                {"conn", send("/echo"), "client=127.0.0.1\n"},
		"a connection":        {"conn", send("/topics/a"), "client=127.0.0.1 user=ada\n"},
		"a user's connection": {"user", send("/topics/a"), "client=127.0.0.1 user=ada\n"},
		"to a topic":          {"topic", send("/topics/a"), "client=127.0.0.1 user=ada\n"},
		"a member":            {"conn", publish, "address=127.0.0.1 user=ada\n"},
		"a user's member":     {"user", publish, "address=127.0.0.1 user=ada\n"},
		"a member to a topic": {"topic", publish, "address=127.0.0.1 user=ada\n"},
		"a request":           {"topic", post("/topics/a", long), "client=127.0.0.1 user=ada\n"},
		"a user's request":    {"user", post("/topics/a", long), "client=127.0.0.1 user=ada\n"},
		"a batch":             {"user", post("/publish", batch), "client=127.0.0.1 user=ada\n"},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, "-user-header", "X-User", "-"+c.rate+"-byte-rate", "1")
			c.do(p)
			line := func() string {
				_, after, _ := strings.Cut(p.stderr.String(), "refused a message above the rate of its ")
				return after
			}
			if !settles(func() bool { return strings.HasSuffix(line(), "\n") }) || !strings.HasSuffix(line(), c.want) {
				t.Errorf("it does not say %q: %s", c.want, p.stderr.String())
			}
		})
	}
}
