package chat

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// behindProxy configures a chat to trust a proxy on the same machine.
func behindProxy(o *Options) {
	var err error
	if o.Proxies, err = wsproto.ParseProxies("loopback"); err != nil {
		panic(err)
	}
}

func behind(t *testing.T) *server { return serve(t, behindProxy) }

// Behind a proxy with TLS the cookie is restricted to TLS, and pages of the proxy's host count as the
// server's own.
func TestBehindAProxy(t *testing.T) {
	s := behind(t)
	front := http.Header{
		"X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"chat.example.org"}, "X-Forwarded-For": {"192.0.2.7"},
		"Origin": {"https://chat.example.org"},
	}
	p := &person{server: s, name: "Ada"}
	resp, b := p.request("POST", "/api/signup", `{"name":"Ada","password":"correct horse"}`, front)
	c := resp.Cookies()
	if resp.StatusCode != 201 || len(c) != 1 || !c[0].Secure || !strings.HasPrefix(c[0].Name, "__Host-") {
		t.Fatalf("%d %s %+v", resp.StatusCode, b, c)
	}
	p.cookie = c[0].Name + "=" + c[0].Value
	if resp, b := p.request("GET", "/api/me", "", front); resp.StatusCode != 200 {
		t.Errorf("%d %s", resp.StatusCode, b)
	}
	if _, resp, err := p.dial(hubPath, front, wire.Protocol); err != nil {
		t.Errorf("%v %+v", err, resp)
	}
	front.Set("Origin", "https://evil.example")
	if resp, b := p.request("POST", "/api/rooms", `{"name":"mine"}`, front); resp.StatusCode != 403 {
		t.Errorf("another host's page: %d %s", resp.StatusCode, b)
	}
	if _, resp, err := p.dial(hubPath, front, wire.Protocol); err == nil || resp == nil || resp.StatusCode != 403 {
		t.Errorf("another host's page: %v %+v", err, resp)
	}
	resp, _ = p.request("POST", "/api/logout", "", http.Header{"X-Forwarded-Proto": {"https"}})
	if c := resp.Cookies(); resp.StatusCode != 204 || len(c) != 1 || !c[0].Secure || c[0].MaxAge >= 0 {
		t.Errorf("%d %+v", resp.StatusCode, c)
	}
}

// Attempts to log in through the proxy are counted by the client's address.
func TestAddressesBehindAProxy(t *testing.T) {
	s := behind(t)
	s.signUp("Ada")
	p := &person{server: s}
	for i := range 10 {
		front := http.Header{"X-Forwarded-For": {"203.0.113.9, 192.0.2.66"}}
		if resp, b := p.request("POST", "/api/login", `{"name":"Eve","password":"wrong password"}`, front); resp.StatusCode != 401 {
			t.Fatalf("%d: %d %s", i, resp.StatusCode, b)
		}
	}
	front := http.Header{"X-Forwarded-For": {"192.0.2.66, 198.51.100.7"}}
	if resp, b := p.request("POST", "/api/login", `{"name":"Eve","password":"wrong password"}`, front); resp.StatusCode != 401 {
		t.Errorf("another address: %d %s", resp.StatusCode, b)
	}
}

// When a cookie is replaced by that of another login, the old login and its connections end.
func TestLoginAgain(t *testing.T) {
	s := serve(t)
	ada, bob := s.signUp("Ada"), s.signUp("Bob")
	page := ada.opens()
	room := ada.makes("General", false)
	bot, _, err := ada.dial(fmt.Sprint("/rooms/", room), nil)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := s.logIn("Ada")
	resp, b := ada.request("POST", "/api/login", fmt.Sprintf(`{"name":"Bob","password":%q}`, password), http.Header{"Cookie": {"junk; " + ada.cookie}})
	if resp.StatusCode != 200 {
		t.Fatalf("%d %s", resp.StatusCode, b)
	}
	ada.asks("GET", "/api/me", "", 401, nil)
	if e := closed(t, page.Conn); e.Code != 3000 {
		t.Errorf("the page: %+v", e)
	}
	if e := closed(t, bot); e.Code != 3000 {
		t.Errorf("the room's connection: %+v", e)
	}
	elsewhere.asks("GET", "/api/me", "", 200, nil)
	bob.asks("GET", "/api/me", "", 200, nil)
}

// The member names of a request are case-sensitive.
func TestMembersAreExact(t *testing.T) {
	s := serve(t)
	ada := s.signUp("Ada")
	room := ada.makes("General", false)
	g := ada.opens()
	g.subscribes(roomTopic(room))
	if r := g.publishes(roomTopic(room), `{"id":"1","text":"this","Text":"that"}`); r.Error == nil || !strings.Contains(r.Error.Message, `"Text"`) {
		t.Errorf("%+v", r)
	}
	g.says(roomTopic(room), "2", "this")
	if m := g.hears(roomTopic(room)); m.Text != "this" {
		t.Errorf("%+v", m)
	}
}
