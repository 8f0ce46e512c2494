package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	fan "github.com/fanfare-ws/fanfare/hub/client"
)

// webhookEvent is an event as a receiver sees it.
type webhookEvent struct {
	ID       string
	Sequence uint64
	Time     int64
	Type     string
	Topic    string
	Person   *struct {
		ID        string
		Anonymous bool
	}
	Client, User, Address, Path string
	Code                        int
}

func (e *webhookEvent) String() string {
	s := e.Type + " " + e.Topic + e.Path
	if e.Person != nil {
		s += "/" + e.Person.ID
	}
	if e.User != "" {
		s += " " + e.User
	}
	if e.Code != 0 {
		s += fmt.Sprint(" ", e.Code)
	}
	return s
}

// hookReceiver is an operator's program that gets events. It takes no request whose signature is wrong.
type hookReceiver struct {
	*httptest.Server
	key string

	mu     sync.Mutex
	events []webhookEvent
	wrong  []string
}

func newHookReceiver(t *testing.T) *hookReceiver {
	h := &hookReceiver{key: strings.Repeat("k", 32)}
	h.Server = httptest.NewServer(h)
	t.Cleanup(h.Close)
	return h
}

func (h *hookReceiver) flags(t *testing.T) []string {
	return []string{"-webhook-url", h.URL, "-webhook-secret-files", tempFile(t, h.key), "-webhook-hold-ends", "50ms", "-webhook-retry-delay", "10ms"}
}

func (h *hookReceiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	mac := hmac.New(sha256.New, []byte(h.key))
	fmt.Fprintf(mac, "%s.%s.%s", r.Header.Get("Webhook-Id"), r.Header.Get("Webhook-Timestamp"), body)
	var batch struct {
		Run    string
		Events []webhookEvent
	}
	err := json.Unmarshal(body, &batch)
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil || r.Header.Get("Webhook-Signature") != "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)) {
		h.wrong = append(h.wrong, fmt.Sprintf("%s: %v", body, err))
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	for _, e := range batch.Events {
		if e.ID != fmt.Sprint(batch.Run, "-", e.Sequence) || e.Sequence != uint64(len(h.events)+1) || time.Since(time.UnixMilli(e.Time)).Abs() > time.Hour {
			h.wrong = append(h.wrong, fmt.Sprintf("%+v after %d events", e, len(h.events)))
		}
		h.events = append(h.events, e)
	}
}

// got returns the events so far, except those about others than that topic, client or person.
func (h *hookReceiver) got(about string) (all []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.events {
		if s := e.String(); strings.Contains(s, about) {
			all = append(all, s)
		}
	}
	return all
}

func (h *hookReceiver) wants(p *program, about string, want ...string) {
	p.t.Helper()
	if !settles(func() bool { return len(h.got(about)) >= len(want) }) || !slices.Equal(h.got(about), want) {
		p.t.Errorf("about %s: got %q, want %q; the server says %s", about, h.got(about), want, p.stderr.String())
	}
}

// Everything that happens is told: in the order of each topic and client, signed, and also what the shutdown brings about.
func TestWebhooks(t *testing.T) {
	h := newHookReceiver(t)
	p := start(t, append(h.flags(t), "-user-header", "X-User", "-topic", "room.* presence grace=1ms", "-webhook-topics", ">,@>", "-admin", "127.0.0.1:0")...)
	ada := p.join("/hub", http.Header{"X-User": {"ada"}})
	ada.gets(`"do":"subscribe","topic":"room.1"`)
	ada.gets(`"do":"subscribe","topic":"prices.*"`)
	news := p.dial("/topics/news")
	h.wants(p, "/hub", "client.connected /hub ada")
	h.wants(p, "/topics/news", "client.connected /topics/news")
	h.wants(p, "room.1/", "presence.joined room.1/ada")
	h.wants(p, "@ada", "topic.occupied @ada")
	h.wants(p, "news", "client.connected /topics/news", "topic.occupied news")
	if err := news.Close(4321, "bye"); err != nil {
		t.Fatal(err)
	}
	h.wants(p, "/topics/news", "client.connected /topics/news", "client.disconnected /topics/news 4321")
	h.wants(p, " news", "topic.occupied news", "topic.vacated news")
	ada.gets(`"do":"unsubscribe","topic":"room.1"`)
	h.wants(p, "room.1/", "presence.joined room.1/ada", "presence.left room.1/ada")
	if _, body := p.operator("GET", healthPath, ""); !strings.Contains(body, `"dead_letters":0`) || strings.Contains(body, `"sent":0,`) {
		t.Errorf("health: %s", body)
	}
	p.dial("/echo").CloseRead(p.ctx()) // they answer the close frame
	ada.CloseRead(p.ctx())
	p.stop()
	status := <-p.status
	p.status <- status
	h.wants(p, "/hub", "client.connected /hub ada", "client.disconnected /hub ada 1001")
	h.wants(p, "prices", "topic.occupied prices.*", "topic.vacated prices.*")
	h.wants(p, "@ada", "topic.occupied @ada", "topic.vacated @ada")
	h.wants(p, "/echo")
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.events {
		if e.Client != "" && (e.Address != "127.0.0.1" || e.Type == "") {
			t.Errorf("%+v", e)
		}
	}
	if len(h.wrong) > 0 {
		t.Error(h.wrong)
	}
}

// SIGHUP changes what is sent, and the keys; the URL needs a restart.
func TestWebhooksReload(t *testing.T) {
	h := newHookReceiver(t)
	secret := tempFile(t, h.key)
	file := tempFile(t, fmt.Sprintf("[webhooks]\nurl=[%q]\nsecret-files=[%q]\nevents=['topic.occupied']\n", h.URL, secret))
	p := startChild(t, "-config", file)
	p.dial("/topics/a")
	h.wants(p.program, "topic", "topic.occupied a")
	h.mu.Lock()
	h.key = strings.Repeat("n", 40)
	h.mu.Unlock()
	writeFile(t, secret, h.key)
	writeFile(t, file, fmt.Sprintf("[webhooks]\nurl=['http://other.example']\nsecret-files=[%q]\ntopics=['b']\nevents=['topic.occupied']\n", secret))
	p.hangUp("reloaded the configuration")
	p.dial("/topics/aa")
	p.dial("/topics/b")
	h.wants(p.program, "topic", "topic.occupied a", "topic.occupied b")
	if text := p.stderr.String(); !strings.Contains(text, "webhooks.topics") || !strings.Contains(text, "restart=[webhooks.url]") {
		t.Error(text)
	}
}

// A receiver that never answers holds up no client: all of a crowd connect, and the queue keeps to its limit. FANFARE_FULL=1
// has 18,000 of them, and says how fast they connect with the receiver and without.
func TestWebhooksDuringStorm(t *testing.T) {
	const most = 1000
	s := &storm{clients: 1500, delay: 200 * time.Millisecond, engine: engine(t)}
	full := os.Getenv("FANFARE_FULL") != ""
	if full {
		s.clients = 18_000
	}
	hangs := make(chan struct{})
	app := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-hangs:
		case <-r.Context().Done():
		}
	}))
	defer app.Close()
	defer close(hangs)
	addrs := "127.0.0.2:0,127.0.0.3:0,127.0.0.4:0,127.0.0.5:0"
	for _, flags := range [][]string{nil, {"-webhook-url", app.URL, "-webhook-max-queue", fmt.Sprint(most), "-webhook-timeout", "1h"}} {
		if flags == nil && !full {
			continue
		}
		s.child, s.addrs = startChildAt(t, addrs, append(flags, "-admin", "127.0.0.1:0")...), nil
		for _, m := range listening.FindAllStringSubmatch(s.stdout.String(), -1) {
			s.addrs = append(s.addrs, m[1])
		}
		began := time.Now()
		clients := s.joinAll(t)
		t.Logf("%v: %d clients in %v, RSS %d KiB", flags, s.clients, time.Since(began).Round(time.Millisecond), residentKiB(s.child))
		if flags != nil {
			s.checkQueue(most)
		}
		for _, c := range clients {
			c.Close()
		}
	}
}

// joinAll connects the clients, and returns them.
func (s *storm) joinAll(t *testing.T) []*fan.Client {
	s.join(t)
	if h := s.health(); h.Connections != s.clients {
		t.Errorf("%d connections of %d clients", h.Connections, s.clients)
	}
	return s.all
}

// checkQueue checks the queue of an endpoint that has taken nothing.
func (s *storm) checkQueue(most int) {
	s.t.Helper()
	var h struct{ Webhooks map[string]int }
	s.eventually("all events are queued", func() bool {
		_, body := s.operator("GET", healthPath, "")
		if err := json.Unmarshal([]byte(body), &h); err != nil {
			s.t.Fatal(err)
		}
		return h.Webhooks["queued"]+h.Webhooks["dropped"] == s.clients+1 // and the topic is occupied
	})
	if h.Webhooks["queued"] > most || h.Webhooks["sent"] != 0 {
		s.t.Errorf("%v", h.Webhooks)
	}
}
