package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/golang-jwt/jwt/v5"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/natsbroker/natstest"
)

// answers checks the status and a part of the body of a response.
func (p *program) answers(method, path, body string, status int, part string) string {
	p.t.Helper()
	resp, got := p.request(method, path, "application/json", strings.NewReader(body))
	if resp.StatusCode != status || !strings.Contains(got, part) {
		p.t.Errorf("%s %s: %d %s, want %d with %s", method, path, resp.StatusCode, got, status, part)
	}
	return got
}

// A topic or a user that is disconnected at one node is disconnected at all nodes. The same holds for a token that is revoked.
func TestClusterDisconnects(t *testing.T) {
	s := newSigner(t)
	a, b := nodes(t, natstest.Start(t, "").URL, append(s.flags(), "-token-file", tokenFile(t))...)
	bearer := func(user string) http.Header {
		token := s.token(jwt.MapClaims{"sub": user, "read": []string{">"}, "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix()})
		return http.Header{"Authorization": {"Bearer " + token}}
	}
	dial := func(p *program, path, user string) *websocket.Conn {
		c, _, err := websocket.Dial(p.ctx(), "ws://"+p.addr+path, &websocket.DialOptions{HTTPHeader: bearer(user)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.CloseNow() })
		return c
	}
	here, there := dial(a, "/topics/news", "ada"), dial(b, "/topics/news", "bob")
	a.answers("DELETE", "/topics/news/subscribers?token=secret&code=4001", "", 200, `"closed":2`)
	for _, c := range []*websocket.Conn{here, there} {
		if err := a.closesWith(c, 4001); err != nil {
			t.Error(err)
		}
	}
	a.answers("DELETE", "/topics/none/subscribers?token=secret", "", 404, "no subscribers")
	plain, many := dial(b, "/topics/news", "ada"), dial(b, "/hub", "ada")
	b.eventually("the connections have begun", func() bool {
		_, body := b.request("GET", "/topics/@ada?token=secret", "", nil)
		return strings.Contains(body, `"subscribers":1`)
	})
	a.answers("DELETE", "/users/ada/connections?token=secret&code=4002", "", 200, `"closed":2`)
	for _, c := range []*websocket.Conn{plain, many} {
		if err := b.closesWith(c, 4002); err != nil {
			t.Error(err)
		}
	}
	a.eventually("the user has no connections", func() bool {
		resp, body := a.request("DELETE", "/users/ada/connections?token=secret", "", nil)
		return resp.StatusCode == 404 && strings.Contains(body, "no connections")
	})
	plain = dial(b, "/topics/news", "ada")
	old := bearer("ada")
	a.answers("POST", "/revocations?token=secret", `{"user":"ada"}`, 200, `"closed":1`)
	if err := b.closesWith(plain, 4401); err != nil {
		t.Error(err)
	}
	if _, resp, err := websocket.Dial(b.ctx(), "ws://"+b.addr+"/topics/news", &websocket.DialOptions{HTTPHeader: old}); err == nil || resp == nil || resp.StatusCode != 401 {
		t.Errorf("a revoked token is valid at the other node: %v", err)
	}
}

// The lists of topics, people and nodes are those of the cluster.
func TestClusterLists(t *testing.T) {
	args := []string{"-nats", natstest.Start(t, "").URL, "-topic", "room.* presence", "-admin", "127.0.0.1:0"}
	a, b := start(t, args...).linked(), start(t, args...).linked()
	a.dial("/topics/room.1")
	b.dial("/topics/room.1")
	b.dial("/topics/room.2")
	for _, p := range []*program{a, b} {
		p.eventually("all subscribers are counted", func() bool {
			_, body := p.request("GET", "/topics", "", nil)
			var page hub.ClusterTopics
			return json.Unmarshal([]byte(body), &page) == nil && len(page.Topics) == 2 && page.Topics[0].Subscribers == 2 && page.Topics[1].Subscribers == 1
		})
		p.answers("GET", "/topics/room.2", "", 200, `"subscribers":1`)
		p.answers("GET", "/topics/room.3", "", 404, "neither")
	}
	for range 3 {
		b.join("/hub", nil).gets(`"do":"subscribe","topic":"room.9"`)
	}
	a.eventually("the people are there", func() bool {
		_, body := a.request("GET", "/topics/room.9/presence", "", nil)
		return strings.Count(body, `"anonymous":true`) == 3
	})
	status, body := a.operator("GET", "/nodes", "")
	var list struct{ Nodes []hub.NodeStats }
	if err := json.Unmarshal([]byte(body), &list); status != http.StatusOK || err != nil || len(list.Nodes) != 2 {
		t.Fatalf("%d %s: %v", status, body, err)
	}
	subscriptions := make(map[bool]int64)
	for _, n := range list.Nodes {
		subscriptions[n.Self] = n.Stats.Subscriptions
		if n.Missing || n.Started.IsZero() || n.Name == "" {
			t.Errorf("the node is %+v", n)
		}
	}
	if want := fmt.Sprint(map[bool]int64{true: 1, false: 5}); fmt.Sprint(subscriptions) != want {
		t.Errorf("subscriptions are %v, want %v", subscriptions, want)
	}
}
