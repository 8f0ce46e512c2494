package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/golang-jwt/jwt/v5"

	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
)

// A token without a user belongs to the user whom the proxy has named, also if it comes later.
func TestRenewalKeepsTheNameOfTheProxy(t *testing.T) {
	s := newSigner(t)
	p := start(t, append(s.flags(), "-user-header", "X-User")...)
	token := func(topic string) string { return s.token(jwt.MapClaims{"read": []string{topic}}) }
	ada := http.Header{"X-User": {"ada"}, "Authorization": {"Bearer " + token("other")}}
	c := p.join("/hub", ada)
	for range 2 {
		c.gets(fmt.Sprintf(`"do":"auth","token":%q`, token("inbox.{user}")))
	}
	c.gets(`"do":"subscribe","topic":"inbox.ada"`)
	c.fails(fmt.Sprintf(`"do":"auth","token":%q`, s.token(jwt.MapClaims{"sub": "bob"})), wire.Forbidden, "user")
}

// The same holds for a first token that comes in a message, and beside a cookie that is not valid.
func TestFirstTokenKeepsTheNameOfTheProxy(t *testing.T) {
	s := newSigner(t)
	p := start(t, append(s.flags(), "-user-header", "X-User", "-jwt-cookie", "session")...)
	for _, cookie := range []string{"", "session=old"} {
		h := http.Header{"X-User": {"ada"}, "Cookie": {cookie}}
		c, _, err := websocket.Dial(p.ctx(), "ws://"+p.addr+"/hub?auth=message", &websocket.DialOptions{Subprotocols: []string{wire.Protocol}, HTTPHeader: h})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.CloseNow() })
		p.send(c, fmt.Sprintf(`{"id":1,"do":"auth","token":%q}`, s.token(jwt.MapClaims{"read": []string{">"}})))
		if _, hello, err := c.Read(p.ctx()); err != nil || !strings.Contains(string(hello), `"user":"ada"`) {
			t.Errorf("cookie %q: %s %v", cookie, hello, err)
		}
	}
}

// What is neither a key nor a token is no token of the user whom the proxy has named.
func TestNoTokenOfTheProxy(t *testing.T) {
	p := start(t, "-user-header", "X-User")
	c := p.join("/hub", http.Header{"X-User": {"ada"}})
	c.fails(`"do":"auth","token":"nonsense"`, wire.Unauthorized, "not a key")
}

// asking runs a program of the operator that sends what it is asked to the channel, and answers with text.
func asking(t *testing.T, answer string) (url string, asked chan map[string]any) {
	asked = make(chan map[string]any, 100)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q map[string]any
		b, _ := io.ReadAll(r.Body)
		_ = json.Unmarshal(b, &q)
		asked <- q
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(s.Close)
	return s.URL, asked
}

// The backend learns the address of a client that had a key and has a token now.
func TestAddressAfterKey(t *testing.T) {
	s := newSigner(t)
	url, asked := asking(t, `{"ok":{}}`)
	p := start(t, append(s.flags(), "-token-file", tokenFile(t), "-backend-subscribe", url)...)
	c := p.join("/hub?token=secret", nil)
	c.gets(`"do":"subscribe","topic":"news"`)
	c.gets(fmt.Sprintf(`"do":"auth","token":%q`, s.token(jwt.MapClaims{"read": []string{"news"}})))
	c.gets(`"do":"subscribe","topic":"other"`)
	if q := <-asked; q["address"] != "127.0.0.1" || q["topic"] != "other" || len(asked) > 0 {
		t.Errorf("the backend is asked %v", q)
	}
}

// Why an answer of the backend cannot be used is for the operator, and not for the client.
func TestUnusableAnswer(t *testing.T) {
	url, _ := asking(t, `{"ok":{"user":"ada","read":["internal..topic"]}}`)
	p := start(t, "-backend-connect", url)
	for range 3 {
		if status, body := p.refused("/hub"); status != http.StatusBadGateway || strings.Contains(body, "internal") || !strings.Contains(body, "cannot be used") {
			t.Errorf("%d %s", status, body)
		}
	}
	if log := p.stderr.String(); strings.Count(log, "internal..topic") != 1 {
		t.Errorf("the log has %s", log)
	}
}

// A client that comes back gets the answers that are kept for its user.
func TestKeptAnswersAfterReconnect(t *testing.T) {
	for flags, want := range map[string]int{"": 3, "-backend-cache 1m": 1, "-backend-cache 1m -backend-omit none": 3} {
		url, asked := asking(t, `{"ok":{}}`)
		p := start(t, append(strings.Fields(flags), "-user-header", "X-User", "-backend-subscribe", url)...)
		for range 3 {
			c := p.join("/hub", http.Header{"X-User": {"ada"}})
			c.gets(`"do":"subscribe","topic":"news"`)
		}
		if n := len(asked); n != want {
			t.Errorf("%s: the backend is asked %d times, want %d", flags, n, want)
		}
		if _, has := (<-asked)["client"]; has != (want == 3) {
			t.Errorf("%s: it is told the client: %v", flags, has)
		}
	}
	var stdout, stderr netpolltest.Output
	if status := run(t.Context(), []string{"check", "-backend-omit", "user"}, &stdout, &stderr); status == 0 || !strings.Contains(stderr.String(), "-backend-omit") {
		t.Errorf("exit status %d: %s", status, stderr.String())
	}
}
