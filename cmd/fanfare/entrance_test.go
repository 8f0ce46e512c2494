package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/golang-jwt/jwt/v5"

	"github.com/fanfare-ws/fanfare/hub/wire"
)

// signer makes tokens of a secret in a file.
type signer struct{ secret, file string }

func newSigner(t *testing.T) signer {
	s := signer{strings.Repeat("secret for tests", 4), filepath.Join(t.TempDir(), "secret")}
	if err := os.WriteFile(s.file, []byte(s.secret), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s signer) flags() []string {
	return []string{"-jwt-algorithms", "HS256", "-jwt-secret-files", s.file}
}

func (s signer) token(claims jwt.MapClaims) string {
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(s.secret))
	if err != nil {
		panic(err)
	}
	return text
}

// person is somebody at an entrance.
type person struct {
	name         string
	header       http.Header
	host, origin string
}

// everybody are all kinds of identities. All but the first have a token or a key.
func everybody(s signer) []person {
	all := []string{">", "@>"}
	claims := func(more ...any) jwt.MapClaims {
		c := jwt.MapClaims{"sub": "ada", "exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix(), "jti": "1", "read": all, "write": all, "list": all, "manage": all}
		for pair := range slices.Chunk(more, 2) {
			c[pair[0].(string)] = pair[1]
		}
		return c
	}
	bearer := func(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }
	valid := bearer(s.token(claims()))
	return []person{
		{name: "nobody"},
		{name: "valid", header: valid},
		{name: "expired", header: bearer(s.token(claims("exp", time.Now().Add(-time.Hour).Unix())))},
		{name: "wrong key", header: bearer(signer{secret: strings.Repeat("other", 10)}.token(claims()))},
		{name: "wrong rights", header: bearer(s.token(claims("read", []string{"other"}, "write", []string{}, "list", []string{}, "manage", []string{})))},
		{name: "revoked", header: bearer(s.token(claims("jti", "revoked")))},
		{name: "key", header: bearer("secret")},
		{name: "blocked host", header: valid, host: "evil.example"},
		{name: "foreign page", header: valid, origin: "http://evil.example"},
	}
}

// knock dials, and returns the connection or the status of the refusal.
func (p *program) knock(who person, path string, protocols ...string) (*websocket.Conn, string) {
	o := websocket.DialOptions{HTTPHeader: who.header.Clone(), Host: who.host, Subprotocols: protocols}
	if o.HTTPHeader == nil {
		o.HTTPHeader = make(http.Header)
	}
	if who.origin != "" {
		o.HTTPHeader.Set("Origin", who.origin)
	}
	c, resp, err := websocket.Dial(p.ctx(), "ws://"+p.addr+path, &o)
	if err != nil {
		if resp == nil {
			return nil, err.Error()
		}
		return nil, fmt.Sprint(resp.StatusCode)
	}
	p.t.Cleanup(func() { _ = c.CloseNow() })
	return c, "101"
}

// says sends a message after a handshake, and returns the code of the error in the reply, or of the close frame; "ok" if the
// reply has no error, or the message comes back.
func (p *program) says(who person, path, message string, protocols ...string) string {
	c, status := p.knock(who, path, protocols...)
	if c == nil {
		return status
	}
	defer c.CloseNow()
	p.send(c, message)
	for {
		_, b, err := c.Read(p.ctx())
		if err != nil {
			return fmt.Sprint(int(websocket.CloseStatus(err)))
		}
		if len(protocols) == 0 {
			return "ok"
		}
		e, err := wire.ParseEvent(b)
		switch {
		case err != nil:
			return err.Error()
		case e.Reply != nil && e.Reply.Error != nil:
			return e.Reply.Error.Code
		case e.Reply != nil:
			return "ok"
		}
	}
}

// entrances are all ways into the server, with what each of everybody gets there.
var entrances = []struct{ way, wants string }{
	//                                               nobody valid expired wrong-key wrong-rights revoked key blocked-host foreign-page
	{"connect /echo", "401 101 401 401 101 401 101 421 403"},
	{"connect /hub", "401 101 401 401 101 401 101 421 403"},
	{"connect /topics/news", "401 101 401 401 403 401 101 421 403"},
	{"connect /topics/*", "401 101 401 401 403 401 101 421 403"},
	{"send /echo x", "401 ok 401 401 ok 401 ok 421 403"},
	{"send /topics/news?echo=1 x", "401 ok 401 401 403 401 ok 421 403"},
	{"send /topics/other?echo=1 x", "401 ok 401 401 1008 401 ok 421 403"},
	{`ask {"id":1,"do":"subscribe","topic":"news"}`, "401 ok 401 401 forbidden 401 ok 421 403"},
	{`ask {"id":1,"do":"subscribe","topic":"*"}`, "401 ok 401 401 forbidden 401 ok 421 403"},
	{`ask {"id":1,"do":"publish","topic":"news","data":1}`, "401 ok 401 401 forbidden 401 ok 421 403"},
	{`ask {"id":1,"do":"history","topic":"news"}`, "401 ok 401 401 forbidden 401 ok 421 403"},
	{`ask {"id":1,"do":"presence","topic":"news"}`, "401 ok 401 401 forbidden 401 ok 421 403"},
	{"GET /topics", "401 200 401 401 403 401 200 421 200"},
	{"GET /topics/news", "401 200 401 401 403 401 200 421 200"},
	{"GET /topics/news/history", "401 200 401 401 403 401 200 421 200"},
	{"GET /topics/news/presence", "401 200 401 401 403 401 200 421 200"},
	{"POST /topics/news", "401 200 401 401 403 401 200 421 403"},
	{"POST /publish", "401 200 401 401 403 401 200 421 403"},
	{"POST /users/bob", "401 200 401 401 403 401 200 421 403"},
	{"POST /revocations", "401 200 401 401 403 401 200 421 403"},
	{"DELETE /topics/news/subscribers", "401 200 401 401 403 401 200 421 403"},
	{"DELETE /users/bob/connections", "401 404 401 401 403 401 404 421 403"},
	{"GET /echo", "401 426 401 401 426 401 426 421 426"},
	{"GET /healthz", "200 200 200 200 200 200 200 421 200"},
	{"GET /readyz", "200 200 200 200 200 200 200 421 200"},
	{"GET /", "200 200 200 200 200 200 200 421 200"},
	{"GET /fanfare.js", "200 200 200 200 200 200 200 421 200"},
	{"GET /nothing", "404 404 401 401 404 401 404 421 404"},
}

// Every entrance answers every kind of identity as the table says.
func TestEntrances(t *testing.T) {
	s := newSigner(t)
	p := start(t, append(s.flags(), "-token-file", tokenFile(t), "-topic", "> history=10 presence")...)
	all := everybody(s)
	if got := p.enter(all[6], "POST /revocations", `{"id":"revoked"}`); got != "200" {
		t.Fatal(got)
	}
	keeper, _ := p.knock(all[6], "/topics/news")
	p.send(keeper, "so that there is a topic")
	for _, e := range entrances {
		var got []string
		for _, who := range all {
			got = append(got, p.enter(who, e.way, ""))
			if strings.HasPrefix(e.way, "DELETE /topics") && got[len(got)-1] == "200" {
				if keeper, _ = p.knock(all[6], "/topics/news"); keeper == nil {
					t.Fatal("the topic has no subscriber")
				}
			}
		}
		if strings.Join(got, " ") != e.wants {
			t.Errorf("%s:\n     %s\nwant %s", e.way, strings.Join(got, " "), e.wants)
		}
	}
}

// enter tries a way into the server.
func (p *program) enter(who person, way, body string) string {
	verb, rest, _ := strings.Cut(way, " ")
	switch verb {
	case "connect":
		c, status := p.knock(who, rest)
		if c != nil {
			_ = c.CloseNow()
		}
		return status
	case "send":
		path, message, _ := strings.Cut(rest, " ")
		return p.says(who, path, message)
	case "ask":
		return p.says(who, hubPath, rest, wire.Protocol)
	}
	switch {
	case body != "":
	case rest == "/publish":
		body = `{"messages":[{"topic":"news","data":1}]}`
	case rest == "/revocations":
		body = `{"id":"of nobody"}`
	case verb == "POST":
		body = "x"
	}
	r, err := http.NewRequestWithContext(p.ctx(), verb, "http://"+p.addr+rest, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	if r.Header = who.header.Clone(); r.Header == nil {
		r.Header = make(http.Header)
	}
	if r.Host = who.host; who.origin != "" {
		r.Header.Set("Origin", who.origin)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return fmt.Sprint(resp.StatusCode)
}
