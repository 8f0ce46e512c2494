package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/golang-jwt/jwt/v5"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/backend"
	"github.com/fanfare-ws/fanfare/hub/wire"
)

var accessScenarios = []scenario{
	{name: "rates of connections", args: []string{"-conn-message-rate", "1"}, do: func(m *mover) {
		c := m.dial("/echo")
		m.movesWith(func() { _ = c.Write(m.ctx(), websocket.MessageText, []byte("x")) }, `fanfare_refusals_total{reason="conn_rate"}`)
	}},
	{name: "rates", args: []string{"-topic-message-rate", "1", "-user-message-rate", "1", "-user-burst", "1s", "-user-header", "X-User"}, do: func(m *mover) {
		m.movesWith(func() { m.request("POST", "/topics/x", "text/plain", strings.NewReader("x")) }, `fanfare_refusals_total{reason="topic_rate"}`)
		c := m.join("/hub", http.Header{"X-User": {"ada"}})
		m.movesWith(func() { c.ask(`"do":"publish","topic":"y","data":1`) }, `fanfare_refusals_total{reason="user_rate"}`)
		for _, of := range []string{"users", "topics"} {
			m.moves(fmt.Sprintf(`fanfare_rate_messages_total{of=%q,result="admitted"}`, of), fmt.Sprintf(`fanfare_rate_messages_total{of=%q,result="refused"}`, of),
				fmt.Sprintf("fanfare_rate_keys{of=%q}", of))
		}
	}},
	{name: "backend", args: []string{
		"-backend-connect", "http://127.0.0.1:1/", "-backend-subscribe", "http://127.0.0.1:1/", "-backend-max-concurrent", "1", "-backend-breaker-failures", "1", "-backend-breaker-pause", "1h",
		"-backend-cache", "1h", "-user-header", "X-User",
	}, do: moveBackend},
}

// tokenScenario needs a file with a secret.
func tokenScenario(t *testing.T) scenario {
	s := newSigner(t)
	args := append(s.flags(), "-token-file", tokenFile(t), "-jwt-leeway", "1ns", "-max-conns-per-user", "1")
	return scenario{name: "tokens", args: args, do: func(m *mover) {
		bearer := func(user string, life time.Duration) http.Header {
			token := s.token(jwt.MapClaims{"sub": user, "read": []string{">"}, "iat": time.Now().Unix(), "exp": time.Now().Add(life).Unix()})
			return http.Header{"Authorization": {"Bearer " + token}}
		}
		m.join("/hub", bearer("ada", time.Hour))
		m.moves("fanfare_users", "fanfare_identified_connections", "fanfare_expiring_connections")
		_, _, _ = websocket.Dial(m.ctx(), "ws://"+m.addr+"/hub", &websocket.DialOptions{HTTPHeader: bearer("ada", time.Hour)})
		m.moves(`fanfare_refusals_total{reason="user"}`)
		m.refused("/hub?token=wrong")
		m.moves(`fanfare_refusals_total{reason="token"}`)
		m.join("/hub", bearer("bob", 2*time.Second)).fails(`"do":"publish","topic":"x","data":1`, wire.Forbidden, "")
		m.moves(`fanfare_refusals_total{reason="right"}`, "fanfare_expired_connections_total")
		m.request("POST", "/revocations?token=secret", "application/json", strings.NewReader(`{"user":"ada"}`))
		m.moves("fanfare_revocations", "fanfare_revoked_connections_total")
		c, _, err := websocket.Dial(m.ctx(), "ws://"+m.addr+"/hub?auth=message", nil)
		if err != nil {
			m.t.Fatal(err)
		}
		defer func() { _ = c.CloseNow() }()
		m.moves("fanfare_hub_unauthenticated_connections")
	}}
}

// hangingBackend is a backend that answers when it is released.
type hangingBackend struct {
	open    chan struct{}
	release func()
	status  atomic.Int64
}

// newHangingBackend starts one, and makes the server ask it.
func newHangingBackend(m *mover) *hangingBackend {
	s := &hangingBackend{open: make(chan struct{})}
	s.release = sync.OnceFunc(func() { close(s.open) })
	s.status.Store(http.StatusOK)
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-s.open:
		case <-r.Context().Done():
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(int(s.status.Load()))
		fmt.Fprint(w, `{"ok":{"read":["news"]}}`)
	}))
	m.t.Cleanup(func() {
		s.release()
		site.Close()
	})
	h := &m.app.hooks
	o := h.options
	for _, of := range []*backend.HookOptions{&o.Connect, &o.Subscribe, &o.Publish} {
		if of.URL != "" {
			of.URL = site.URL
		}
	}
	b, err := backend.New(o)
	if err != nil {
		m.t.Fatal(err)
	}
	h.replace(b, o)
	return s
}

func moveBackend(m *mover) {
	s := newHangingBackend(m)
	ask := func(path string) {
		done := make(chan struct{})
		m.t.Cleanup(func() { <-done })
		go func() {
			defer close(done)
			_, _, _ = handshake(m.addr, path)
		}()
	}
	ask("/hub")
	m.moves("fanfare_handshakes_running", `fanfare_hook_requests_running{hook="connect"}`, `fanfare_hook_calls_waiting{hook="connect"}`)
	ask("/hub")
	ask("/topics/other")
	m.moves(`fanfare_hook_requests_queued{hook="connect"}`, `fanfare_hook_joined_calls_total{hook="connect"}`)
	s.release()
	m.moves(`fanfare_hook_calls_total{hook="connect",result="granted"}`, `fanfare_hook_requests_total{hook="connect"}`, `fanfare_hook_request_seconds_total{hook="connect"}`)
	m.movesWith(func() { _, _, _ = handshake(m.addr, "/hub") }, `fanfare_hook_cached_calls_total{hook="connect"}`)
	s.status.Store(http.StatusInternalServerError)
	_, _, _ = handshake(m.addr, "/echo")
	m.moves(`fanfare_hook_failures_total{cause="status",hook="connect"}`, `fanfare_hook_breaker{hook="connect",state="open"}`,
		`fanfare_hook_breaker_opened_total{hook="connect"}`)
}

// webhookScenario needs a file with a secret.
func webhookScenario(t *testing.T) scenario {
	broken := new(atomic.Bool)
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if broken.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	t.Cleanup(site.Close)
	args := []string{
		"-webhook-url", site.URL, "-webhook-secret-files", tempFile(t, strings.Repeat("k", 32)), "-webhook-batch-delay", "0", "-webhook-hold-ends", "0", "-webhook-retry-delay", "10ms",
		"-webhook-give-up-after", "1s", "-webhook-max-queue", "10",
	}
	return scenario{name: "webhooks", args: args, do: func(m *mover) {
		m.dial("/topics/x")
		m.moves(`fanfare_webhook_events_total{result="sent"}`, `fanfare_webhook_requests_total{result="ok"}`)
		broken.Store(true)
		m.dial("/topics/y")
		m.moves(`fanfare_webhook_requests_total{result="failed"}`, "fanfare_webhook_failing_endpoints")
		m.movesWith(func() { m.dial("/topics/z") }, "fanfare_webhook_queue_ratio")
		m.moves("fanfare_webhook_queued_events", "fanfare_webhook_queued_bytes", "fanfare_webhook_oldest_event_seconds")
		m.movesWith(func() { m.dial("/topics/z") }, `fanfare_webhook_events_total{result="dropped"}`)
		m.moves(`fanfare_webhook_events_total{result="dead"}`, `fanfare_alert{alert="FanfareWebhooksLost"}`)
	}}
}
