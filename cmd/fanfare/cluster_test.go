package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	fan "github.com/fanfare-ws/fanfare/hub/client"
	"github.com/fanfare-ws/fanfare/hub/natsbroker/natstest"
	"github.com/fanfare-ws/fanfare/hub/wire"
)

// readyIs reports whether GET /readyz says that.
func (p *program) readyIs(status int, state string) bool {
	p.t.Helper()
	resp, body := p.request("GET", readyPath, "", nil)
	return resp.StatusCode == status && strings.TrimSpace(body) == fmt.Sprintf(`{"status":%q}`, state)
}

// linked waits until the node is linked.
func (p *program) linked() *program {
	p.t.Helper()
	p.eventually("the node is ready", func() bool { return p.readyIs(http.StatusOK, "ready") })
	return p
}

// nodes starts two nodes of a cluster.
func nodes(t *testing.T, url string, args ...string) (a, b *program) {
	t.Helper()
	args = append([]string{"-nats", url, "-topic", "> history=1000 age=10m"}, args...)
	a, b = start(t, args...), start(t, args...)
	return a.linked(), b.linked()
}

// publishes publishes a text, and returns the response.
func (p *program) publishes(topic, text string) (*http.Response, string) {
	p.t.Helper()
	return p.request("POST", "/topics/"+topic, "text/plain", strings.NewReader(text))
}

// posted publishes a text, which must succeed, and returns its position.
func (p *program) posted(topic, text string) (position string) {
	p.t.Helper()
	resp, body := p.publishes(topic, text)
	var says struct{ Position string }
	if resp.StatusCode != http.StatusOK || json.Unmarshal([]byte(body), &says) != nil {
		p.t.Fatalf("%d %s", resp.StatusCode, body)
	}
	return says.Position
}

// A message that is published at one node, in any way, is received at the other one, in any way. Its position is the same there.
func TestCluster(t *testing.T) {
	a, b := nodes(t, natstest.Start(t, "").URL)
	plain, many := b.dial("/topics/news"), b.join("/hub", nil)
	many.gets(`"do":"subscribe","topic":"news"`)
	at := a.posted("news", "by HTTP")
	b.wants(plain, websocket.MessageText, "by HTTP")
	if m := many.message(); string(m.Payload) != "by HTTP" || m.Kind != wire.Text || !strings.HasSuffix(at, fmt.Sprint(":", m.Offset)) {
		t.Fatalf("%+v; the answer was %s", m, at)
	}
	sender := a.dial("/topics/news")
	a.send(sender, "from a topic")
	b.wants(plain, websocket.MessageText, "from a topic")
	many.message()
	a.join("/hub", nil).gets(`"do":"publish","topic":"news","data":"from the hub"`)
	b.wants(plain, websocket.MessageText, `"from the hub"`)
	a.wants(sender, websocket.MessageText, `"from the hub"`)
	many.message()

	for name, p := range map[string]*program{"a": a, "b": b} {
		if _, body := p.request("GET", "/topics/news/history?after="+at, "", nil); strings.Count(body, `"offset"`) != 2 {
			t.Errorf("history at %s: %s", name, body)
		}
	}
	if _, body := a.request("POST", "/publish", "application/json", strings.NewReader(`{"messages":[{"topic":"news","text":"1"},{"topic":"news","text":"2"}]}`)); strings.Contains(body, "error") {
		t.Error(body)
	}
	b.wants(plain, websocket.MessageText, "1")
	b.wants(plain, websocket.MessageText, "2")
}

// Many messages of one connection come in order, and its own ones if it asks for them.
func TestClusterOrder(t *testing.T) {
	const n = 500
	a, b := nodes(t, natstest.Start(t, "").URL)
	loud, other := a.dial("/topics/x?echo=1"), b.dial("/topics/x")
	go func() {
		for i := range n {
			if loud.Write(a.long(), websocket.MessageText, fmt.Append(nil, i)) != nil {
				return // the reader below fails
			}
		}
	}()
	for i := range n {
		a.wants(loud, websocket.MessageText, fmt.Sprint(i))
		b.wants(other, websocket.MessageText, fmt.Sprint(i))
	}
}

// heard is what a client has received.
type heard struct {
	mu   sync.Mutex
	all  []string
	gaps int
}

func (h *heard) message(m fan.Message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, string(m.Payload))
}

func (h *heard) gap(fan.Gap) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.gaps++
}

// has reports whether exactly these messages have come, without a gap.
func (h *heard) has(want []string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.gaps == 0 && slices.Equal(h.all, want)
}

func (h *heard) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return fmt.Sprintf("%d messages, %d gaps: %v", len(h.all), h.gaps, h.all)
}

// A node is killed while messages are published at the other one. Its client goes on there, and gets every message once.
func TestClusterNodeKilled(t *testing.T) {
	url := natstest.Start(t, "").URL
	args := []string{"-nats", url, "-topic", "> history=1000 age=10m"}
	first, second := startChild(t, args...), start(t, args...)
	first.linked()
	second.linked()
	var h heard
	o := fan.Options{Engine: engine(t), MaxDelay: 100 * time.Millisecond, Timeout: 30 * time.Second, Others: []string{"ws://" + second.addr + "/hub"}}
	if _, err := first.connect(first.addr, o).Subscribe(first.long(), "work", &fan.SubscribeOptions{OnGap: h.gap}, h.message); err != nil {
		t.Fatal(err)
	}
	var want []string
	publish := func(n int) {
		for range n {
			text := fmt.Sprint("message ", len(want))
			second.posted("work", text)
			want = append(want, text)
		}
	}
	publish(20)
	second.eventually("the client has the first ones", func() bool { return h.has(want) })
	first.signal(syscall.SIGKILL)
	_ = first.cmd.Wait()
	publish(20)
	if !settles(func() bool { return h.has(want) }) {
		t.Fatalf("%v; want %v", &h, want)
	}
}

// NATS is away when the node starts, comes, goes, and comes back. The node says so; its clients stay; what fails is told; and what was
// acknowledged is not lost.
func TestClusterWithoutNATS(t *testing.T) {
	server := natstest.Start(t, "")
	server.Stop()
	p := start(t, "-nats", server.URL, "-topic", "> history=1000 age=10m")
	if !p.readyIs(http.StatusServiceUnavailable, "unlinked") {
		t.Error("the node is ready without NATS")
	}
	if resp, body := p.request("GET", healthPath, "", nil); resp.StatusCode != http.StatusOK {
		t.Errorf("health: %d %s", resp.StatusCode, body)
	}
	p.eventually("the log says why", func() bool {
		return strings.Contains(p.stderr.String(), "there is no link to NATS") && strings.Contains(p.stderr.String(), server.URL)
	})
	server.Restart()
	p.linked()
	p.eventually("the log says so", func() bool { return strings.Contains(p.stderr.String(), "linked to NATS") })

	plain, many := p.dial("/topics/work"), p.join("/hub", nil)
	many.gets(`"do":"subscribe","topic":"work"`)
	p.posted("work", "one")
	p.wants(plain, websocket.MessageText, "one")
	many.message()
	server.Kill()
	p.eventually("publishing fails", func() bool {
		resp, body := p.publishes("work", "lost")
		if resp.StatusCode == http.StatusServiceUnavailable {
			if resp.Header.Get("Retry-After") == "" || !strings.Contains(body, "the server has no link to NATS now: nothing was done") || strings.Contains(body, "127.0.0.1") {
				t.Errorf("%v %s", resp.Header, body)
			}
			return true
		}
		if resp.StatusCode != http.StatusGatewayTimeout || !strings.Contains(body, "it may have been published or not") {
			t.Fatalf("%d %s", resp.StatusCode, body)
		}
		return false
	})
	if e := many.fails(`"do":"publish","topic":"work","data":1`, wire.Unavailable, "no link to NATS"); e.Retry == 0 {
		t.Errorf("%+v has no time to retry after", e)
	}
	p.eventually("the node is not ready", func() bool { return p.readyIs(http.StatusServiceUnavailable, "unlinked") })
	late := p.dial("/topics/new")
	if _, _, err := late.Read(p.ctx()); websocket.CloseStatus(err) != websocket.StatusTryAgainLater {
		t.Errorf("a new topic without NATS: %v", err)
	}
	server.Restart()
	p.linked()
	p.posted("work", "two")
	for {
		_, b, err := plain.Read(p.ctx())
		if err != nil || string(b) != "lost" && string(b) != "two" { // a message without an answer may come
			t.Fatalf("%s %v", b, err)
		}
		if string(b) == "two" {
			break
		}
	}
	if _, body := p.request("GET", "/topics/work/history", "", nil); !strings.Contains(body, `"one"`) || !strings.Contains(body, `"two"`) {
		t.Errorf("what was acknowledged is lost: %s", body)
	}
	p.eventually("the log tells of the loss, and of its end", func() bool {
		log := p.stderr.String()
		return strings.Contains(log, "the link to NATS is lost") && strings.Contains(log, "the link to NATS is back")
	})
}
