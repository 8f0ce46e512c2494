package main

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/golang-jwt/jwt/v5"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/config"
	"github.com/fanfare-ws/fanfare/hub/wire"
)

// Cookies, and users whom a proxy names, count for pages that the operator has named, and not for those that * admits.
func TestCookiesOfAdmittedPages(t *testing.T) {
	s := newSigner(t)
	cookie := http.Header{"Cookie": {"session=" + s.token(jwt.MapClaims{"sub": "ada", "read": []string{">"}})}}
	for _, c := range []struct{ origins, origin, want string }{
		{"*", "http://evil.example", "401"}, {"*", "", "101"}, {"*,app.example", "http://app.example", "101"}, {"*.example", "http://app.example", "101"},
		{"*", "null", "401"}, {"app.example", "http://evil.example", "403"},
	} {
		p := start(t, append(s.flags(), "-jwt-cookie", "session", "-origins", c.origins)...)
		if _, got := p.knock(person{header: cookie, origin: c.origin}, "/topics/news"); got != c.want {
			t.Errorf("-origins %s, page %q: %s, want %s", c.origins, c.origin, got, c.want)
		}
	}
	for origin, want := range map[string]string{"http://evil.example": "", "": "ada"} {
		p := start(t, "-origins", "*", "-user-header", "X-User")
		h := http.Header{"X-User": {"ada"}, "Origin": {origin}}
		if origin == "" {
			h.Del("Origin")
		}
		if c := p.join("/hub", h); c.hello.User != want {
			t.Errorf("page %q: the user is %q, want %q", origin, c.hello.User, want)
		}
	}
}

// What a page may read follows a change of the origins, in both directions.
func TestSharingAfterReload(t *testing.T) {
	for _, now := range [][]string{{"*"}, {}} {
		c := config.Default()
		if len(now) == 0 {
			c.Access.Origins = []string{"*"}
		}
		a, err := newApp(c, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer a.close()
		limits := a.server.Limits()
		if limits.Origins = now; a.server.SetLimits(limits) != nil {
			t.Fatal("the origins cannot be set")
		}
		defer func() { _ = a.server.Shutdown(t.Context()) }()
		h := make(http.Header)
		a.share(h, caller{origin: "http://evil.example", admitted: len(now) > 0})
		want := strings.Join(now, "")
		if got := h.Get("Access-Control-Allow-Origin"); got != want || h.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("origins %q: %v", now, h)
		}
	}
}

// To see who is present takes the right to list, also with a subscription.
func TestPresenceNeedsList(t *testing.T) {
	s := newSigner(t)
	p := start(t, append(s.flags(), "-topic", "> presence")...)
	h := http.Header{"Authorization": {"Bearer " + s.token(jwt.MapClaims{"sub": "ada", "read": []string{"room"}})}}
	c := p.join("/hub", h)
	c.fails(`"do":"presence","topic":"room"`, wire.Forbidden, "list")
	c.fails(`"do":"subscribe","topic":"room","presence":true`, wire.Forbidden, "list")
	c.gets(`"do":"subscribe","topic":"room"`)
}

// A client that may not publish to a topic cannot use up the topic's rate.
func TestRateOfOthers(t *testing.T) {
	s := newSigner(t)
	p := start(t, append(s.flags(), "-topic-message-rate", "1", "-topic-burst", "1s")...)
	as := func(claims jwt.MapClaims) *client {
		return p.join("/hub", http.Header{"Authorization": {"Bearer " + s.token(claims)}})
	}
	eve, bob := as(jwt.MapClaims{"sub": "eve", "read": []string{"room"}}), as(jwt.MapClaims{"sub": "bob", "write": []string{"room"}})
	for range 5 {
		eve.fails(`"do":"publish","topic":"room","data":1`, wire.Forbidden, "write")
	}
	bob.gets(`"do":"publish","topic":"room","data":1`)
	if e := bob.fails(`"do":"publish","topic":"room","data":2`, wire.RateLimited, ""); e.Retry <= 0 {
		t.Errorf("%+v", e)
	}
	if resp, body := p.request("POST", "/topics/room?token="+s.token(jwt.MapClaims{"write": []string{"room"}}), "text/plain", strings.NewReader("x")); resp.StatusCode != 429 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}

// A token that limits only messages leaves the server's limit of bytes in force.
func TestHalfOfARate(t *testing.T) {
	s := newSigner(t)
	p := start(t, append(s.flags(), "-conn-byte-rate", "1KiB")...)
	h := http.Header{"Authorization": {"Bearer " + s.token(jwt.MapClaims{"write": []string{">"}, "rate": map[string]int{"messages": 1000}})}}
	c, _, err := websocket.Dial(p.ctx(), "ws://"+p.addr+"/echo", &websocket.DialOptions{HTTPHeader: h})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	p.send(c, strings.Repeat("x", 1024))
	p.send(c, strings.Repeat("x", 1024))
	for err == nil {
		_, _, err = c.Read(p.ctx())
	}
	if websocket.CloseStatus(err) != wire.CloseRateLimited {
		t.Errorf("%v, want 4429", err)
	}
}

// While the backend that decides who connects is down, a plain request does not say that the client may not connect: pages
// would take that for the last word.
func TestPlainRequestWhileTheBackendIsDown(t *testing.T) {
	app := newApplication(t)
	app.Close()
	p := start(t, append(app.flags(), "-backend-breaker-failures", "1", "-backend-breaker-pause", "1m")...)
	for _, path := range []string{hubPath, echoPath} {
		if resp, body := p.request("GET", path, "", nil); resp.StatusCode != http.StatusUpgradeRequired && resp.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("before: %d %s", resp.StatusCode, body)
		}
		if status, body := p.refused(path); status != http.StatusServiceUnavailable {
			t.Errorf("%d %s", status, body)
		}
		if resp, body := p.request("GET", path, "", nil); resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
			t.Errorf("%d %s", resp.StatusCode, body)
		}
	}
}

// Without tokens, the server ignores a wrong key. The log names the client that sent it, at most once in ten seconds. It does not
// mention a key that may be meant for a proxy or the backend.
func TestIgnoredKeys(t *testing.T) {
	const says = "ignored a key"
	guess := func(p *program) {
		_ = p.dial("/topics/a?token=guess").CloseNow()
		if resp, _ := p.request("GET", "/topics?token=guess", "", nil); resp.StatusCode != 200 {
			p.t.Error(resp.Status)
		}
	}
	offer := func(p *program) {
		_, got := p.knock(person{}, "/topics/a", "fanfare.v1", "fanfare.token.guess")
		if got != "101" {
			p.t.Error(got)
		}
	}
	header := func(p *program) {
		if _, got := p.knock(person{header: http.Header{"Authorization": {"Bearer guess"}}}, "/topics/a"); got != "101" {
			p.t.Error(got)
		}
		_ = p.dial("/topics/a?token=secret").CloseNow()
	}
	asks := func(p *program) {
		if _, got := p.knock(person{header: http.Header{"Cookie": {"user=ada"}}}, "/topics/news?token=guess"); got != "101" {
			p.t.Error(got)
		}
	}
	for name, c := range map[string]struct {
		flags []string
		do    func(p *program)
		lines int
	}{
		"a guess":       {nil, guess, 1},
		"a subprotocol": {nil, offer, 1},
		"a header":      {nil, header, 0},
		"a hook":        {newApplication(t).flags(), asks, 0},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, append(c.flags, "-token-file", tokenFile(t))...)
			c.do(p)
			p.logs(says, c.lines)
			log := p.stderr.String()
			if c.lines > 0 && !strings.Contains(log, "anonymous\" client=127.0.0.1\n") {
				t.Errorf("it says %s", log)
			}
			if strings.Contains(log, "guess") {
				t.Errorf("the log has the guess: %s", log)
			}
		})
	}
	p := start(t) // it has no keys: the parameter is not for it
	_ = p.dial("/topics/a?token=guess").CloseNow()
	if log := p.stderr.String(); strings.Contains(log, says) {
		t.Error(log)
	}
}
