package main

import (
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/session"
	"github.com/fanfare-ws/fanfare/hub/wire"
)

var topicScenarios = []scenario{
	{
		name: "topics",
		args: []string{"-topic", "room history=2 presence", "-max-topics", "4321", "-total-subscriptions", "5432", "-total-logs", "32M", "-total-pending", "16M", "-total-bodies", "24M"},
		do:   moveTopics,
	},
	{name: "requests that wait", args: []string{"-backend-publish", "http://127.0.0.1:1/"}, tweak: waitsLittle, do: moveWaiting},
	{name: "idempotency keys", args: []string{"-idempotency-keys", "40"}, do: moveKeys},
}

func moveTopics(m *mover) {
	for name, want := range map[string]float64{
		"fanfare_topics_limit": 4321, "fanfare_subscriptions_limit": 5432, "fanfare_topic_memory_limit_bytes": 32 << 20,
		"fanfare_held_limit_bytes": 16 << 20, "fanfare_api_held_limit_bytes": 24 << 20,
	} {
		m.is(name, want)
	}
	c, pub := m.join("/hub?data=1", nil), m.join("/hub", nil)
	at := *c.gets(`"do":"subscribe","topic":"room"`).Position
	for i := range 4 {
		pub.gets(fmt.Sprintf(`"do":"publish","topic":"room","data":%d`, i))
	}
	m.moves("fanfare_topics", "fanfare_subscriptions", "fanfare_published_messages_total", "fanfare_deliveries_total", "fanfare_fanout_seconds_count",
		"fanfare_topic_memory_bytes", "fanfare_hub_connections", "fanfare_hub_data_bytes", `fanfare_recoveries_total{outcome="none"}`, "fanfare_presence_bytes")
	again := m.join("/hub", nil)
	again.fails(fmt.Sprintf(`"do":"subscribe","topic":"room","after":%q`, at), wire.TooOld, "oldest")
	other := hub.Position{Epoch: at.Epoch + 1, Offset: 1}
	again.fails(fmt.Sprintf(`"do":"subscribe","topic":"room","after":%q`, other), wire.TooOld, "oldest")
	again.gets(fmt.Sprintf(`"do":"subscribe","topic":"room","after":%q`, hub.Position{Epoch: at.Epoch, Offset: 3}))
	for _, outcome := range []string{"lost", "new_epoch", "resumed"} {
		m.moves(fmt.Sprintf("fanfare_recoveries_total{outcome=%q}", outcome))
	}
}

// waitsLittle lets few requests over /hub wait.
func waitsLittle(a *app) {
	o := a.sessions.Options()
	o.MaxWaiting, o.MaxRequests = 10<<10, 4
	a.sessions = session.New(a.hub, o)
}

func moveWaiting(m *mover) {
	s := newHangingBackend(m)
	c := m.join("/hub", nil)
	m.is("fanfare_hub_waiting_limit_bytes", 10<<10)
	for i := range 6 {
		m.send(c.Conn, fmt.Sprintf(`{"id":%d,"do":"publish","topic":"x","data":%d}`, i+1, i))
	}
	m.moves("fanfare_hub_waiting_bytes", "fanfare_hub_paused_reads_total")
	d := m.join("/hub", nil)
	m.send(d.Conn, fmt.Sprintf(`{"id":1,"do":"publish","topic":"x","data":%q}`, strings.Repeat("x", 12<<10)))
	m.moves("fanfare_hub_busy_total")
	s.release()
}

func moveKeys(m *mover) {
	m.is("fanfare_idempotency_keys_limit", 40)
	for i := range 12 { // of a client that may have 10
		m.post("/topics/a", "1", idempotencyHeader, fmt.Sprint("k", i))
	}
	m.moves("fanfare_idempotency_keys", "fanfare_idempotency_forgotten_total")
	for i, result := range []string{"replayed", "reused"} {
		m.post("/topics/a", fmt.Sprint(i+1), idempotencyHeader, "k11")
		m.moves(fmt.Sprintf("fanfare_idempotency_repeated_total{result=%q}", result))
	}
}

// slowScenarios have clients that do not read.
var slowScenarios = []scenario{
	{
		name: "policies",
		args: []string{
			"-max-message", "64k", "-max-pending", "512k", "-total-logs", "1G", "-topic", "newest slow=drop-newest limit=64k", "-topic", "oldest slow=drop-oldest limit=64k",
			"-topic", "conflate slow=conflate limit=64k", "-topic", "disconnect slow=disconnect limit=64k",
		},
		do: moveDrops,
	},
	{name: "slow", args: []string{"-max-message", "32M", "-max-pending", "256M", "-min-rate", "1G"}, tweak: func(a *app) { a.server.Engine.UserTimeout = time.Second }, do: moveSlow},
	{name: "pending", args: []string{"-max-message", "64k", "-max-pending", "1M", "-total-pending", "2M"}, do: movePending},
	{name: "histories", args: []string{"-max-message", "64k", "-max-pending", "1M", "-total-logs", "1M", "-topic", "> history=100"}, do: func(m *mover) {
		m.movesWith(func() { m.publishes("x") }, "fanfare_shed_messages_total")
	}},
	{name: "bodies", args: []string{"-max-message", "64k", "-max-pending", "1M", "-total-bodies", "1M"}, do: func(m *mover) {
		m.movesWith(func() {
			nc, err := net.Dial("tcp", m.addr)
			if err != nil {
				m.t.Fatal(err)
			}
			m.t.Cleanup(func() { nc.Close() })
			fmt.Fprintf(nc, "POST /topics/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\n%s", strings.Repeat("x", 59_999))
		}, "fanfare_shed_requests_total")
		m.moves("fanfare_api_held_bytes")
	}},
}

// publishes publishes 60 KB.
func (m *mover) publishes(topic string) {
	m.t.Helper()
	resp, body := m.request("POST", "/topics/"+topic+"?key=k", "text/plain", strings.NewReader(strings.Repeat("x", 60_000)))
	if resp.StatusCode != 200 {
		m.t.Fatalf("%s: %s", resp.Status, body)
	}
}

func moveDrops(m *mover) {
	for topic, policy := range map[string]string{"newest": "drop-newest", "oldest": "drop-oldest", "conflate": "conflate"} {
		m.rawDial("/topics/" + topic)
		m.movesWith(func() { m.publishes(topic) }, fmt.Sprintf("fanfare_dropped_messages_total{policy=%q}", policy))
	}
	m.moves("fanfare_lagging_subscriptions")
	m.rawDial("/topics/disconnect")
	m.movesWith(func() { m.publishes("disconnect") }, "fanfare_evicted_subscribers_total")
}

// moveSlow has a client that takes seconds for a message.
func moveSlow(m *mover) {
	_, in := m.rawDial("/topics/x")
	go func() { // until it is disconnected
		for range time.Tick(5 * time.Millisecond) {
			if _, err := in.Discard(32 << 10); err != nil {
				return
			}
		}
	}()
	m.request("POST", "/topics/x", "text/plain", strings.NewReader(strings.Repeat("x", 32<<20)))
	m.moves("fanfare_slow_connections_total")
}

func movePending(m *mover) {
	frame := append([]byte{0x82, 0x80 | 126, 0xea, 0x60, 0, 0, 0, 0}, make([]byte, 60_000)...)
	for range 4 {
		nc, _ := m.rawDial("/echo")
		go func() { // until the server, which has no room for the echoes, or the test closes it
			for {
				if _, err := nc.Write(frame); err != nil {
					return
				}
			}
		}()
	}
	m.moves("fanfare_pending_bytes", "fanfare_held_bytes", "fanfare_shed_connections_total")
}
