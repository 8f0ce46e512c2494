package policy

import (
	"net/http"
	"reflect"
	"strings"
	"testing"
)

func TestCredentials(t *testing.T) {
	p := newPolicy(t, Options{Cookie: "session"})
	for _, c := range []struct {
		name  string
		query string
		lines string // of the header, separated by |
		want  []Secret
	}{
		{"nothing", "", "", nil},
		{"the field", "", "Authorization: Bearer a", []Secret{{FromHeader, "a"}}},
		{"any case", "", "Authorization: bEARER   a ", []Secret{{FromHeader, "a"}}},
		{"beside that of a proxy", "", "Authorization: Basic eDp5|Authorization: Bearer b|Authorization: Bearer c", []Secret{{FromHeader, "b"}, {FromHeader, "c"}}},
		{"without a scheme", "", "Authorization: a", nil},
		{"without a token", "", "Authorization: Bearer|Authorization: Bearer  ", nil},
		{"the parameter", "token=a", "", []Secret{{FromQuery, "a"}}},
		{"twice the same", "token=a", "Authorization: Bearer a", []Secret{{FromHeader, "a"}}},
		{"a subprotocol", "", "Sec-WebSocket-Protocol: fanfare.v1, fanfare.token.a.b.c", []Secret{{FromSubprotocol, "a.b.c"}}},
		{"a subprotocol of another line", "", "Sec-WebSocket-Protocol: fanfare.v1|Sec-WebSocket-Protocol: fanfare.token.a", []Secret{{FromSubprotocol, "a"}}},
		{"an empty one", "", "Sec-WebSocket-Protocol: fanfare.token.", nil},
		{"a cookie", "", "Cookie: a=b; session=s; c=d", []Secret{{FromCookie, "s"}}},
		{"a quoted cookie", "", `Cookie: session="s"`, []Secret{{FromCookie, "s"}}},
		{"another cookie", "", "Cookie: Session=s; xsession=t; session", nil},
		{"all", "token=q", "Cookie: session=s|Authorization: Bearer h|Sec-WebSocket-Protocol: fanfare.token.p", []Secret{{FromHeader, "h"}, {FromSubprotocol, "p"}, {FromQuery, "q"}, {FromCookie, "s"}}},
		{"too many", "token=q", strings.Repeat("Authorization: Bearer a|Authorization: Bearer b|Authorization: Bearer c|Authorization: Bearer d|", 3), []Secret{{FromHeader, "a"}, {FromHeader, "b"}, {FromHeader, "c"}, {FromHeader, "d"}}},
	} {
		got := p.Credentials(request(c.query, strings.Split(c.lines, "|")...))
		if !reflect.DeepEqual(got.Secrets, c.want) {
			t.Errorf("%s: %+v, want %+v", c.name, got.Secrets, c.want)
		}
	}
}

// A page that may not connect cannot use the cookie of its visitor, and a neighbouring domain cannot replace it.
func TestCookies(t *testing.T) {
	o := withTokens(t)
	o.Cookie = "session"
	p := newPolicy(t, o)
	ada, bob := signed(t, hmacSecret, map[string]any{"sub": "ada"}), signed(t, hmacSecret, map[string]any{"sub": "bob"})
	sent := request("", "Cookie: session="+ada)
	if id, refusal := p.Identify(p.Credentials(sent)); refusal != nil || id.User != "ada" {
		t.Errorf("%+v %v", id, refusal)
	}
	sent.Admitted = false
	if id, refusal := p.Identify(p.Credentials(sent)); refusal != nil || id.Kind != Anonymous {
		t.Errorf("a page that is not admitted: %+v %v", id, refusal)
	}
	for _, lines := range [][]string{{"Cookie: session=" + ada + "; session=" + bob}, {"Cookie: session=" + bob, "Cookie: session=" + ada}} {
		if _, refusal := p.Identify(p.Credentials(request("", lines...))); refusal == nil || refusal.Code != CodeAmbiguous || refusal.Status != http.StatusUnauthorized {
			t.Errorf("two cookies: %v", refusal)
		}
		lines = append(lines, "Authorization: Bearer "+bob)
		if id, refusal := p.Identify(p.Credentials(request("", lines...))); refusal != nil || id.User != "bob" {
			t.Errorf("two cookies and a token: %v %v", id, refusal)
		}
	}
	if id, _ := p.Identify(p.Credentials(request("", "Cookie: session="+ada+"; session="+ada))); id.User != "ada" {
		t.Errorf("twice the same: %+v", id)
	}
	if !IsTokenProtocol("fanfare.token."+ada) || IsTokenProtocol("fanfare.v1") {
		t.Error("IsTokenProtocol")
	}
}

// Whatever is sent, its parts are bounded, and refusals do not repeat it.
func FuzzCredentials(f *testing.F) {
	o := withTokens(f)
	o.Cookie = "session"
	p := newPolicy(f, o)
	f.Add("Bearer a", "fanfare.v1, fanfare.token.b", "session=c; x", "d")
	f.Add("Bearer "+signed(f, hmacSecret, nil), "", "", "")
	f.Fuzz(func(t *testing.T, authorization, subprotocols, cookies, query string) {
		h := http.Header{"Authorization": {authorization}, "Sec-Websocket-Protocol": {subprotocols}, "Cookie": {cookies}}
		c := p.Credentials(Sent{Header: h.Values, Query: func(string) string { return query }, Admitted: true})
		if len(c.Secrets) > maxSecrets {
			t.Errorf("%d secrets", len(c.Secrets))
		}
		_, refusal := p.Identify(c)
		for _, s := range c.Secrets {
			if refusal != nil && len(s.Value) > 20 && (strings.Contains(refusal.Reason, s.Value) || strings.Contains(refusal.Challenge, s.Value)) {
				t.Errorf("%q repeats a secret", refusal.Reason)
			}
		}
		if refusal != nil && strings.ContainsAny(refusal.Challenge, "\r\n") {
			t.Errorf("%q", refusal.Challenge)
		}
	})
}
