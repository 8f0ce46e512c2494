package main

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"github.com/fanfare-ws/fanfare/hub/wire"
)

// crowd connects that many clients to a topic and returns them when all are subscribed.
func (p *program) crowd(n int, topic string) []*websocket.Conn {
	p.t.Helper()
	all := make([]*websocket.Conn, n)
	for i := range all {
		all[i] = p.dial("/topics/" + topic)
	}
	want := fmt.Sprintf(`"subscribers":%d,`, n)
	if !settles(func() bool {
		_, body := p.request("GET", "/topics/"+topic, "", nil)
		return strings.Contains(body, want)
	}) {
		p.t.Fatalf("there are not %d subscribers", n)
	}
	return all
}

// reads returns an error unless it reads the messages and then a close frame with that code.
func reads(p *program, c *websocket.Conn, messages []string, code websocket.StatusCode) error {
	for _, want := range messages {
		if _, got, err := c.Read(p.ctx()); err != nil || string(got) != want {
			return fmt.Errorf("got %q %v, want %q", got, err, want)
		}
	}
	_, got, err := c.Read(p.ctx())
	if websocket.CloseStatus(err) != code {
		return fmt.Errorf("got %q %v, want to be closed with %d", got, err, code)
	}
	return nil
}

// publishTen publishes ten messages, each after the acknowledgement of the previous one.
func (p *program) publishTen(topic string, receivers int) (all []string) {
	p.t.Helper()
	for i := range 10 {
		all = append(all, fmt.Sprint("message ", i))
		r, body := p.request("POST", "/topics/"+topic, "text/plain", strings.NewReader(all[i]))
		if r.StatusCode != http.StatusOK || !strings.Contains(body, fmt.Sprintf(`"subscribers":%d,`, receivers)) && !strings.Contains(body, fmt.Sprintf(`"subscribers":%d}`, receivers)) {
			p.t.Fatalf("POST: %d %s", r.StatusCode, body)
		}
	}
	return all
}

func (p *program) allRead(all []*websocket.Conn, messages []string, code websocket.StatusCode) {
	p.t.Helper()
	var wg sync.WaitGroup
	errs := make([]error, len(all))
	for i, c := range all {
		wg.Go(func() { errs[i] = reads(p, c, messages, code) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		p.t.Error(err)
	}
}

// A subscriber that is disconnected first receives all messages that were acknowledged before.
func TestDisconnectComesAfterWhatWasPublished(t *testing.T) {
	n := 600
	if testing.Short() {
		n = 60
	}
	p := start(t)
	all := p.crowd(n, "news")
	messages := p.publishTen("news", n)
	if r, body := p.request("DELETE", "/topics/news/subscribers?code=4001", "", nil); r.StatusCode != http.StatusOK {
		t.Fatal(body)
	}
	p.allRead(all, messages, 4001)
}

// The same holds for a user that is disconnected, in all topics, and for a subscriber that unsubscribes.
func TestUserIsDisconnectedAfterWhatWasPublished(t *testing.T) {
	p := start(t, "-user-header", "X-User")
	ada, quits := p.join("/hub", http.Header{"X-User": {"ada"}}), p.join("/hub", nil)
	ada.gets(`"do":"subscribe","topic":"news"`)
	quits.gets(`"do":"subscribe","topic":"news"`)
	messages := p.publishTen("news", 2)
	if r, body := p.request("DELETE", "/users/ada/connections?code=4001", "", nil); r.StatusCode != http.StatusOK {
		t.Fatal(body)
	}
	quits.send(quits.Conn, `{"id":99,"do":"unsubscribe","topic":"news"}`)
	for i, c := range []*client{ada, quits} {
		for n, want := range messages {
			c.wantsMessage("news", uint64(n+1), wire.Text, want)
		}
		if i == 0 {
			if _, _, err := c.Read(p.ctx()); websocket.CloseStatus(err) != 4001 {
				t.Errorf("ada: %v", err)
			}
		} else if e := c.event(); e.Reply == nil || e.Reply.ID != 99 || e.Reply.OK == nil {
			t.Errorf("%+v is no reply", e)
		}
	}
}

// All connections of a user are closed and counted once, whatever they are connected to, and nobody else's.
func TestUserIsDisconnectedEverywhere(t *testing.T) {
	p := start(t, "-user-header", "X-User")
	ada, bob := http.Header{"X-User": {"ada"}}, p.join("/hub", http.Header{"X-User": {"bob"}})
	all := []*websocket.Conn{p.join("/hub", ada).Conn, p.join("/hub", ada).Conn}
	for _, path := range []string{"/topics/news", "/topics/*", "/echo"} {
		c, _, err := websocket.Dial(p.ctx(), "ws://"+p.addr+path, &websocket.DialOptions{HTTPHeader: ada})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.CloseNow() })
		all = append(all, c)
	}
	p.send(all[4], "opened")
	p.wants(all[4], websocket.MessageText, "opened")
	if !settles(func() bool {
		_, news := p.request("GET", "/topics/news", "", nil)
		_, every := p.request("GET", "/topics/*", "", nil)
		return strings.Contains(news, `"subscribers":`) && strings.Contains(every, `"subscribers":1`)
	}) {
		t.Fatal("she is not subscribed")
	}
	messages := p.publishTen("news", 2)
	if r, body := p.request("DELETE", "/users/ada/connections?code=4001&reason=logged+out", "", nil); r.StatusCode != http.StatusOK || !strings.Contains(body, `"closed":5`) {
		t.Errorf("%d %s", r.StatusCode, body)
	}
	for i, c := range all {
		before := messages
		if i < 2 || i == 4 {
			before = nil
		}
		if err := reads(p, c, before, 4001); err != nil {
			t.Errorf("connection %d: %v", i, err)
		}
	}
	if !settles(func() bool {
		r, _ := p.request("DELETE", "/users/ada/connections", "", nil)
		return r.StatusCode == http.StatusNotFound
	}) {
		t.Error("she is still there")
	}
	bob.gets(`"do":"ping"`)
}

// The same holds for all subscribers when the server shuts down.
func TestShutdownComesAfterWhatWasPublished(t *testing.T) {
	p := start(t)
	all := p.crowd(60, "news")
	messages := p.publishTen("news", len(all))
	p.stop()
	p.allRead(all, messages, websocket.StatusGoingAway)
}
