package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/fanfare-ws/fanfare/hub"
)

// Pages of people have each person once and in order, even if a user and an anonymous client have the same name.
func TestPagesOfPeople(t *testing.T) {
	all := []hub.Person{{ID: "a"}, {ID: "a", Anonymous: true}, {ID: "a.b"}, {ID: "b", Anonymous: true}, {ID: "c"}}
	for limit := 1; limit <= len(all)+1; limit++ {
		var seen []hub.Person
		after := ""
		for range all {
			page, next := pageOfPeople(all, after, limit)
			if len(page) > limit {
				t.Fatalf("%d people in a page of %d", len(page), limit)
			}
			seen = append(seen, page...)
			if after = next; next == "" {
				break
			}
		}
		if fmt.Sprint(seen) != fmt.Sprint(all) {
			t.Errorf("pages of %d: %v", limit, seen)
		}
	}
	if page, _ := pageOfPeople(all, "a.c", 9); fmt.Sprint(page) != fmt.Sprint(all[3:]) {
		t.Errorf("after one who has left: %v", page)
	}
}

func TestPresencePages(t *testing.T) {
	p := start(t, "-topic", "room presence", "-user-header", "X-User")
	for _, user := range []string{"ada", "bob", "eve"} {
		p.join("/hub", http.Header{"X-User": {user}}).gets(`"do":"subscribe","topic":"room"`)
	}
	_, body := p.request("GET", "/topics/room/presence?limit=2", "", nil)
	if !strings.Contains(body, `"ada"`) || !strings.Contains(body, `"next":"bob"`) || strings.Contains(body, "eve") {
		t.Error(body)
	}
	_, body = p.request("GET", "/topics/room/presence?after="+url.QueryEscape("bob"), "", nil)
	if !strings.Contains(body, `"eve"`) || strings.Contains(body, "bob") || strings.Contains(body, "next") {
		t.Error(body)
	}
	if resp, body := p.request("GET", "/topics/room/presence?limit=0", "", nil); resp.StatusCode != 400 || !strings.Contains(body, "from 1 to 1000") {
		t.Errorf("%s %s", resp.Status, body)
	}
}

// Whether a topic has presence does not depend on whether it exists.
func TestPresenceBeforeTheTopic(t *testing.T) {
	p := start(t, "-topic", "room presence")
	for range 2 {
		if resp, body := p.request("GET", "/topics/room/presence", "", nil); resp.StatusCode != 200 || !strings.Contains(body, `"present":[]`) {
			t.Errorf("%s %s", resp.Status, body)
		}
		if resp, body := p.request("GET", "/topics/other/presence", "", nil); resp.StatusCode != 404 || !strings.Contains(body, "-topic 'other presence'") {
			t.Errorf("%s %s", resp.Status, body)
		}
		c := p.join("/hub", nil)
		for _, topic := range []string{"room", "other"} {
			c.gets(`"do":"subscribe","topic":"` + topic + `"`)
			c.gets(`"do":"unsubscribe","topic":"` + topic + `"`)
		}
	}
}

// The server takes the name of a user only from a trusted proxy.
func TestUserOfAStranger(t *testing.T) {
	for proxies, user := range map[string]string{"loopback": "ada", "none": ""} {
		p := start(t, "-user-header", "X-User", "-trusted-proxies", proxies)
		if c := p.join("/hub", http.Header{"X-User": {"ada"}}); c.hello.User != user {
			t.Errorf("%s: the user is %q, not %q", proxies, c.hello.User, user)
		}
	}
}

// A path that net/http would redirect is refused.
func TestUncleanPath(t *testing.T) {
	p := start(t)
	if got := raw(t, p.addr, "GET //nothing HTTP/1.1\r\nHost: localhost\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 404") {
		t.Error(got)
	}
}
