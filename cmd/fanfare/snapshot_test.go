package main

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/config"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/monitor"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/monitor/survey"
	"github.com/fanfare-ws/fanfare/hub"
)

// snapshot returns what operators get. It must have no field that a Snapshot does not have.
func (p *program) snapshot() (s monitor.Snapshot) {
	p.t.Helper()
	status, body := p.operator("GET", statusPath, "")
	d := json.NewDecoder(bytes.NewReader([]byte(body)))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); status != 200 || err != nil {
		p.t.Fatalf("%d %v: %s", status, err, body)
	}
	return s
}

// The state of the server says what has happened.
func TestStatus(t *testing.T) {
	p := start(t, "-admin", "127.0.0.1:0", "-max-conns", "500", "-topic", "news history=5")
	c, echo := p.dial("/topics/news"), p.dial("/echo")
	p.send(echo, "hello")
	p.wants(echo, websocket.MessageText, "hello")
	p.request("POST", "/topics/news", "text/plain", strings.NewReader("one"))
	p.wants(c, websocket.MessageText, "one")
	p.refused("/nothing")
	s := p.snapshot()
	n, k := &s.Conns, &s.Topics
	if n.WebSockets != 2 || n.Open < 2 || n.Limit != 500 || n.Outcomes["opened"] != 2 || n.Outcomes["refused"] != 1 || n.Statuses["404"] != 1 {
		t.Errorf("connections: %+v", *n)
	}
	if k.Open != 1 || k.Subscriptions != 1 || k.Published != 1 || k.Delivered != 1 || k.Memory == 0 || k.Limit != 1<<20 {
		t.Errorf("topics: %+v", *k)
	}
	if s.Traffic.MessagesIn != 1 || s.Traffic.MessagesOut != 2 || s.Traffic.BytesIn == 0 || s.Traffic.BytesOut == 0 {
		t.Errorf("traffic: %+v", s.Traffic)
	}
	if pr := &s.Process; pr.PID != os.Getpid() || pr.RSS < 1<<20 || pr.Heap == 0 || pr.CPUSeconds <= 0 || pr.MemoryLimit == 0 || pr.PerConn != 0 {
		t.Errorf("process: %+v", *pr)
	}
	if s.State != "ready" || s.Version == "" || s.Started.IsZero() || s.Time.Before(s.Started) || s.Alerts == nil || s.Hooks != nil {
		t.Errorf("%+v", s)
	}
	_ = echo.Close(4321, "")
	if !settles(func() bool { return p.snapshot().Conns.Closes["4xxx"] == 1 }) {
		t.Errorf("closes: %v", p.snapshot().Conns.Closes)
	}
}

// The number of open descriptors is that of /proc.
func TestOpenFiles(t *testing.T) {
	p := start(t, "-admin", "127.0.0.1:0")
	if !settles(func() bool {
		all, err := os.ReadDir("/proc/self/fd")
		n := len(all) - 1 // without the directory itself
		s := p.snapshot() // whose request has two descriptors in this process: the client's and the server's
		return err == nil && s.Process.Files == n+2 && s.Process.FileLimit > n
	}) {
		t.Errorf("open descriptors: %d of %d", p.snapshot().Process.Files, p.snapshot().Process.FileLimit)
	}
}

// BenchmarkSnapshot measures a Snapshot of a server with 100,000 topics, which must not make it slower.
func BenchmarkSnapshot(b *testing.B) {
	for _, topics := range []int{0, 100_000} {
		b.Run(strconv.Itoa(topics), func(b *testing.B) {
			a, err := newApp(config.Load([]string{"-topic", "> history=1"}, nil).Config, slog.New(slog.DiscardHandler))
			if err != nil {
				b.Fatal(err)
			}
			defer a.close()
			defer func() { _ = a.server.Shutdown(b.Context()) }()
			for i := range topics {
				if _, err := a.hub.Publish("t"+strconv.Itoa(i), hub.Message{Data: []byte("x")}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := json.NewEncoder(io.Discard).Encode(a.snapshot()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Neither the metrics nor the state has names of users or topics, addresses, keys or what clients send.
func TestFiguresAreDiscreet(t *testing.T) {
	file := secretFile(t, "sesame-sesame-1234")
	p := start(t, "-admin", "127.0.0.1:0", "-token-file", file, "-user-header", "X-User")
	c := p.join("/hub?token=sesame-sesame-1234", http.Header{"X-User": {"gwendolyn"}})
	c.gets(`"do":"subscribe","topic":"hush.hush"`)
	c.gets(`"do":"publish","topic":"hush.hush","data":"classified"`)
	p.join("/hub?token=mistaken-secret", nil)
	for _, path := range []string{metricsPath, statusPath} {
		status, body := p.operator("GET", path+"?token=sesame-sesame-1234", "")
		if status != 200 {
			t.Fatalf("%s: %d %s", path, status, body)
		}
		for _, secret := range []string{"sesame", "mistaken", "gwendolyn", "hush", "classified", "127.0.0.1"} {
			if strings.Contains(body, secret) {
				t.Errorf("%s has %q", path, secret)
			}
		}
	}
}

// A page that walks a list must not meet null where there is nothing.
func TestListsAreNeverNull(t *testing.T) {
	p := start(t, "-admin", "127.0.0.1:0")
	paths := []string{statusPath, "/api/history?since=0", "/api/clients", "/api/clients?q=nobody", "/api/topics?prefix=none"}
	for _, sort := range survey.Sorts {
		paths = append(paths, "/api/topics?sort="+sort)
	}
	for _, path := range paths {
		if status, body := p.operator("GET", path, ""); status != http.StatusOK || strings.Contains(body, "null") {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}
