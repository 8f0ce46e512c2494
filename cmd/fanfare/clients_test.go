package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/monitor/survey"
)

// asked returns a response of the listener of operators.
func asked[T any](p *program, path string, fields ...string) (v T) {
	p.t.Helper()
	status, body := p.operator("GET", path, "", fields...)
	if err := json.Unmarshal([]byte(body), &v); status != http.StatusOK || err != nil {
		p.t.Fatalf("%s: %d %s: %v", path, status, body, err)
	}
	return v
}

// Operators find clients by user and address, look at them, and disconnect one.
func TestClients(t *testing.T) {
	s := newSigner(t)
	p := start(t, append(s.flags(), "-admin", "127.0.0.1:0", "-anonymous-read", ">", "-token-file", tokenFile(t))...)
	key := "Authorization: Bearer secret"
	all := []string{">"}
	token := s.token(jwt.MapClaims{"sub": "ada", "read": all, "write": all})
	topic, hub := p.dial("/topics/news?token="+token), p.dial("/hub?token="+token)
	p.dial("/echo")
	p.send(hub, `{"id":1,"do":"subscribe","topic":"sport"}`)
	p.send(hub, `{"id":2,"do":"subscribe","topic":"news"}`)
	var found survey.Clients
	if !settles(func() bool {
		found = asked[survey.Clients](p, "/api/clients?q=ada", key)
		n := 0
		for _, c := range found.Clients {
			n += c.Topics
		}
		return found.Total == 2 && n == 3
	}) {
		t.Fatalf("the clients of ada are %+v", found)
	}
	if n := asked[survey.Clients](p, "/api/clients?limit=1", key); n.Total != 3 || len(n.Clients) != 1 {
		t.Errorf("a list of one is %+v", n)
	}
	for _, c := range found.Clients {
		one := asked[survey.ClientDetails](p, "/api/clients/"+c.ID, key)
		if one.User != "ada" || one.Address != c.Address || one.BytesIn == 0 {
			t.Errorf("%+v", one)
		}
		if by := asked[survey.Clients](p, "/api/clients?q="+url.QueryEscape(c.Address), key); by.Total != 1 || by.Clients[0].ID != c.ID {
			t.Errorf("by address %s: %+v", c.Address, by)
		}
		want := map[string]int{"/topics/news": 1, "/hub": 2}[c.Path]
		if len(one.Subscriptions) != want {
			t.Errorf("%s has %+v", c.Path, one.Subscriptions)
		}
		if c.Path == "/topics/news" {
			if status, body := p.operator("DELETE", "/api/clients/"+c.ID+"?code=4001&reason=enough", "", key); status != 200 {
				t.Errorf("%d %s", status, body)
			}
			if _, _, err := topic.Read(p.ctx()); err == nil || !strings.Contains(err.Error(), "enough") {
				t.Errorf("the client gets %v", err)
			}
			if !settles(func() bool { status, _ := p.operator("GET", "/api/clients/"+c.ID, "", key); return status == 404 }) {
				t.Error("the client remains")
			}
		}
	}
	for path, want := range map[string]int{"/api/clients/x": 400, "/api/clients/1-1": 404, "/api/clients?limit=0": 400, "/api/clients?first=1": 400, "/api/topics?sort=x": 400, "/api/history?since=x": 400} {
		if status, body := p.operator("GET", path, "", key); status != want {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if status, _ := p.operator("GET", "/api/clients", ""); status != 401 {
		t.Errorf("without a key: %d", status)
	}
}

// A subscriber that does not read is the slowest of its topic, and the client with the most bytes pending.
func TestSlowClientIsFound(t *testing.T) {
	p := start(t, "-admin", "127.0.0.1:0")
	p.mutes(1, "/topics/news")
	big := strings.Repeat("x", 64<<10)
	var topic survey.TopicDetails
	if !settles(func() bool {
		p.request("POST", "/topics/news", "text/plain", strings.NewReader(big))
		topic = asked[survey.TopicDetails](p, "/api/topics/news")
		return len(topic.Slowest) == 1
	}) {
		t.Fatalf("the topic is %+v", topic)
	}
	first := topic.Slowest[0]
	if first.Path != "/topics/news" || first.ID == "" {
		t.Errorf("%+v", first)
	}
	all := asked[survey.Clients](p, "/api/clients")
	if len(all.Clients) != 1 || all.Clients[0].ID != first.ID || all.Clients[0].Pending == 0 {
		t.Errorf("the clients are %+v", all)
	}
	if s := p.state(); s.Topics.Lagging != 1 || s.Engine.Queued == 0 {
		t.Errorf("lagging %d, queued %d", s.Topics.Lagging, s.Engine.Queued)
	}
}

// How far each subscription of a client is behind is told.
func TestBehind(t *testing.T) {
	p := start(t, "-admin", "127.0.0.1:0", "-topic", "> slow=drop-oldest limit=1MiB")
	p.mutes(1, "/topics/news")
	p.dial("/topics/calm")
	big := strings.Repeat("x", 64<<10)
	behind := make(map[string]*int64) // by topic
	if !settles(func() bool {
		p.request("POST", "/topics/news", "text/plain", strings.NewReader(big))
		for _, c := range asked[survey.Clients](p, "/api/clients").Clients {
			for _, s := range asked[survey.ClientDetails](p, "/api/clients/"+c.ID).Subscriptions {
				behind[s.Topic] = s.Behind
			}
		}
		return behind["news"] != nil && *behind["news"] > 0
	}) {
		t.Fatalf("they are %v", behind)
	}
	if n := behind["calm"]; n == nil || *n != 0 {
		t.Errorf("of a topic without messages: %v", behind)
	}
}

// Those of which it is known that they are behind come first, then those of which nothing is known, which have no figure.
func TestBehindUnknown(t *testing.T) {
	if rank(new(int64(1))) <= rank(nil) || rank(nil) <= rank(new(int64(0))) {
		t.Error("the order is wrong")
	}
	if b, err := json.Marshal(survey.Subscription{Topic: "x"}); err != nil || string(b) != `{"topic":"x","dropped":0}` {
		t.Errorf("%s, %v", b, err)
	}
	if b, err := json.Marshal(survey.Subscription{Topic: "x", Behind: new(int64)}); err != nil || string(b) != `{"topic":"x","behind":0,"dropped":0}` {
		t.Errorf("%s, %v", b, err)
	}
}
