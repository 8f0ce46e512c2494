package top

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/monitor"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/monitor/history"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/monitor/survey"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/serveraddr"
	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
)

func TestMain(m *testing.M) {
	signals := make(chan os.Signal, 1) // the first call begins a goroutine of the runtime's, which stays
	signal.Notify(signals, syscall.SIGWINCH)
	signal.Stop(signals)
	netpolltest.Main(m, http.DefaultClient.CloseIdleConnections)
}

var now = time.Date(2026, 11, 30, 12, 0, 0, 0, time.Local)

// fake is a listener of operators whose answers are fixed.
type fake struct {
	status  monitor.Snapshot
	topics  survey.Result
	clients survey.Clients
	points  int
	key     string
	mu      sync.Mutex
	asked   []string // under mu
}

func newFake() *fake {
	f := &fake{points: 3}
	s := &f.status
	s.Time, s.Started, s.State, s.Version = now, now.Add(-3*time.Hour), "ready", "v1"
	s.Conns.WebSockets, s.Conns.Limit = 18000, 20000
	s.Conns.Closes = map[string]int64{"1000": 12, "1006": 3000, "1001": 0}
	s.Conns.Refusals = map[string]int64{"token": 7}
	s.Process.RSS, s.Process.PerConn, s.Process.KernelSocket = 30<<20, 281, 3579
	s.Alerts = []monitor.Alert{}
	rate := 1200.0
	f.topics = survey.Result{Total: 2, Measured: 2, Sort: "rate", Topics: []survey.Topic{
		{TopicStats: hub.TopicStats{Name: "news", Subscribers: 17000, Published: 9}, Rate: &rate},
		{TopicStats: hub.TopicStats{Name: "evil\x1b[2J\u202ename", Subscribers: 1}, Rate: &rate},
	}}
	f.clients = survey.Clients{Total: 1, Clients: []survey.Client{{ID: "7-2a", Address: "192.0.2.1:5", User: "ada\a", Pending: 2048, Path: "/hub"}}}
	return f
}

func (f *fake) wasAsked(prefix string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.ContainsFunc(f.asked, func(path string) bool { return strings.HasPrefix(path, prefix) })
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f.key != "" && r.Header.Get("Authorization") != "Bearer "+f.key {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte(`{"error":"this listener is for operators"}`))
		return
	}
	f.mu.Lock()
	f.asked = append(f.asked, r.URL.RequestURI())
	f.mu.Unlock()
	var v any
	switch r.URL.Path {
	case statusPath:
		v = f.status
	case "/api/history":
		p := history.Points{Every: 1, Series: map[string]history.Values{"websockets": {1, 2, 4}, "messages_in": {5, 10, 20}, "closes.1006": {0, 1, 2}}}
		p.Times = []int64{1, 2, 3}
		v = history.Page{Started: f.status.Started, Next: 3, Fine: p}
	case "/api/topics":
		v = f.topics
	case "/api/topics/news":
		v = survey.TopicDetails{Time: now, Topic: f.topics.Topics[0], Slowest: []survey.Subscriber{{Client: f.clients.Clients[0], Behind: 55}}}
	case "/api/clients":
		v = f.clients
	case "/api/clients/7-2a":
		v = survey.ClientDetails{Time: now, Client: f.clients.Clients[0], Subscriptions: []survey.Subscription{{Topic: "news", Behind: new(int64(55)), Dropped: 3}, {Topic: "many"}}}
	default:
		w.WriteHeader(http.StatusNotFound)
		v = map[string]string{"error": "there is no such thing"}
	}
	_ = json.NewEncoder(w).Encode(v)
}

// watch returns a model of the fake's server that has the first answer.
func watch(t *testing.T, f *fake) *model {
	t.Helper()
	site := httptest.NewServer(f)
	t.Cleanup(site.Close)
	a, err := serveraddr.Parse(site.URL)
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(a, f.key, nil)
	s.name = "fake:1"
	t.Cleanup(s.close)
	m := newModel(t.Context(), s, time.Second)
	m.styles = plain()
	do(m, m.ask())
	return m
}

// do runs a command that asks the server.
func do(m *model, c tea.Cmd) {
	for c != nil {
		_, c = m.Update(c())
	}
}

func (m *model) presses(keys ...string) string {
	for _, k := range keys {
		do(m, m.press(k))
	}
	return m.View().Content
}

// check checks that the screen has the words, and fits the window.
func check(t *testing.T, m *model, words ...string) {
	t.Helper()
	screen := m.View().Content
	for _, w := range words {
		if !strings.Contains(screen, w) {
			t.Errorf("%q is missing in\n%s", w, screen)
		}
	}
	lines := strings.Split(screen, "\n")
	if len(lines) > m.height {
		t.Errorf("%d lines in a window of %d", len(lines), m.height)
	}
	for _, l := range lines {
		if lipgloss.Width(l) > m.width {
			t.Errorf("a line has %d columns in a window of %d: %q", lipgloss.Width(l), m.width, l)
		}
		if strings.IndexFunc(l, unicode.IsControl) >= 0 {
			t.Errorf("a line has control characters: %q", l)
		}
	}
}

func TestOverview(t *testing.T) {
	m := watch(t, newFake())
	check(t, m, "fake:1  ready, up 3 h 0 min", "12:00:00", "Nothing is wrong.", "18,000", "of 20,000", "20/s", "▃▅█", "281 B/connection + 3.5 KiB kernel",
		"1006 3,000, 1000 12", "token 7", "news", "17,000", "1,200/s", `evil\x1b[2J\u202ename`, `ada\a 192.0`, "2 KiB", "q quit")
	want := []string{
		" fanfare top  fake:1  ready, up 3 h 0 min                              12:00:00 ",
		" Nothing is wrong.                                                              ",
		"  1 Overview  2 Topics  3 Clients  4 Closes and refusals ",
		" Connections          18,000               ▃▅█ of 20,000, 0/s opened            ",
		" Messages in            20/s               ▃▅█ 0 B/s                            ",
	}
	for i, l := range strings.Split(m.View().Content, "\n")[:len(want)] {
		if l != want[i] {
			t.Errorf("line %d is\n%q, want\n%q", i, l, want[i])
		}
	}
}

// Every view fits every window, also one that is too small.
func TestWindows(t *testing.T) {
	m := watch(t, newFake())
	m.state.status.Alerts = []monitor.Alert{{Name: "A", Severity: "critical", Text: strings.Repeat("word ", 60)}, {Name: "B", Severity: "warning", Text: "b"}}
	for _, keys := range [][]string{{"1"}, {"2"}, {"3"}, {"4"}, {"2", "enter"}, {"3", "enter"}, {"1", "?"}} {
		m.presses(keys...)
		m.state.status.Alerts = []monitor.Alert{{Name: "A", Severity: "critical", Text: strings.Repeat("word ", 60)}, {Name: "B", Severity: "warning", Text: "b"}}
		for _, size := range [][2]int{{80, 24}, {40, 10}, {200, 60}, {79, 11}, {20, 5}, {1, 1}, {132, 24}} {
			m.Update(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
			check(t, m)
		}
		m.Update(tea.WindowSizeMsg{Width: 80, Height: 24})
		m.help = false
	}
}

func TestViews(t *testing.T) {
	f := newFake()
	m := watch(t, f)
	m.presses("2")
	check(t, m, "2 topics, those with the most messages per second first", "subscribers", "news")
	m.presses("s")
	check(t, m, "those with the most subscribers first")
	if last := f.asked[len(f.asked)-1]; !strings.HasPrefix(last, "/api/topics?sort=subscribers") {
		t.Errorf("it asks for %s", last)
	}
	m.presses("enter")
	check(t, m, "Topic news", "Slowest subscribers", `ada\a`, "55")
	m.presses("enter") // the slowest subscriber
	check(t, m, `Client ada\a 192.0.2.1:5`, "Subscriptions", "news", "55", "many", "not known")
	m.presses("esc", "down", "enter")
	check(t, m, `Topic evil\x1b[2J\u202ename`, "It has ended.")
	m.presses("4")
	check(t, m, "Closes by code", "1006", "3,000", "Refusals by reason", "token")
	m.presses("3")
	check(t, m, "1 client, those with the most bytes pending first", "/hub")
	m.presses("?")
	check(t, m, "choose a row")
}

// Alerts and failures are shown, and the last figures remain.
func TestAlerts(t *testing.T) {
	f := newFake()
	m := watch(t, f)
	f.status.Alerts = []monitor.Alert{{Name: "FanfareFull", Severity: "critical", Text: "no room\x1b[31m"}, {Name: "Other", Severity: "warning", Text: "x"}}
	do(m, m.ask())
	check(t, m, `CRITICAL: FanfareFull: no room\x1b[31m`, "and 1 alert more")
	f.key = "changed"
	do(m, m.ask())
	check(t, m, "asks for a key", "18,000", "12:00:00")
	f.key = ""
	f.status.Alerts, f.status.Started = nil, now // it has restarted
	do(m, m.ask())
	do(m, m.ask())
	check(t, m, "Nothing is wrong.", "up 0 s")
}

// While the server is asked, no second request begins; when the view changes meanwhile, one follows.
func TestOneRequest(t *testing.T) {
	f := newFake()
	m := watch(t, f)
	first := m.ask()
	if m.ask() != nil || m.press("2") != nil {
		t.Error("a second request begins")
	}
	_, next := m.Update(first())
	if next == nil {
		t.Fatal("none follows")
	}
	do(m, next)
	if last := f.asked[len(f.asked)-1]; !strings.HasPrefix(last, "/api/topics?sort=rate") || m.asking {
		t.Errorf("it asks for %s, asking: %v", last, m.asking)
	}
	m.press("p")
	if _, c := m.Update(tick{}); c == nil || m.asking {
		t.Error("it asks although it is paused")
	}
}

// The command says what is wrong, and takes the key from a file or a variable.
func TestRun(t *testing.T) {
	f := newFake()
	f.key = "sesame-1234"
	site := httptest.NewServer(f)
	defer site.Close()
	dead := httptest.NewServer(nil)
	dead.Close()
	public := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }))
	defer public.Close()
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("sesame-1234\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	secure, ca := httptest.NewTLSServer(f), filepath.Join(t.TempDir(), "ca")
	defer secure.Close()
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	addr := strings.TrimPrefix(site.URL, "http://")
	for _, c := range []struct {
		args, env []string
		status    int
		says      string
	}{
		{[]string{"-once", "-key-file", file, site.URL}, nil, 0, "18,000"},
		{[]string{addr, "-json"}, []string{keyFileVariable + "=" + file}, 0, `"websockets":18000`},
		{[]string{"-json"}, []string{keyVariable + "=sesame-1234", "FANFARE_ADMIN=" + addr}, 0, `"websockets":18000`},
		{[]string{"-once", site.URL}, nil, 1, "asks for a key: give a file"},
		{[]string{"-once", site.URL}, []string{keyVariable + "=wrong"}, 1, "does not accept the key"},
		{[]string{"-once", dead.URL}, nil, 1, "nothing listens there"},
		{[]string{"-once", "unix:/nonexistent"}, nil, 1, "nothing listens there"},
		{[]string{"-once", public.URL}, nil, 1, "not the listener of operators"},
		{[]string{"-once"}, nil, 2, "which server?"},
		{[]string{"-once", "ftp://x"}, nil, 2, "must have the form"},
		{[]string{"-once", "localhost"}, nil, 2, "must have the form host:port, http://host:port, https://host:port or unix:/path"},
		{[]string{"-once", "http://a:b@x"}, nil, 2, "-key-file"},
		{[]string{"-once", "-ca", ca, secure.URL}, []string{keyVariable + "=sesame-1234"}, 0, "18,000"},
		{[]string{"-once", secure.URL}, []string{keyVariable + "=sesame-1234"}, 1, "certificate"},
		{[]string{"-once", "-ca", file, secure.URL}, nil, 2, "-ca: " + file + ": the file has no certificate"},
		{[]string{"-once"}, []string{"FANFARE_ADMIN=localhost:0"}, 2, "the port of -admin localhost:0 is not known"},
		{[]string{"-once", site.URL, "more"}, nil, 2, "unexpected argument"},
		{[]string{"-every", "1ms", site.URL}, nil, 2, "-every is 1ms"},
		{[]string{"-key-file", "/nonexistent", site.URL}, nil, 2, "/nonexistent"},
		{[]string{"-nonsense"}, nil, 2, "nonsense"},
		{[]string{"-help"}, nil, 0, "Usage: fanfare top"},
		{[]string{site.URL}, nil, 1, "not a terminal"},
	} {
		var stdout, stderr netpolltest.Output
		status := Run(t.Context(), c.args, c.env, &stdout, &stderr)
		if out := stdout.String() + stderr.String(); status != c.status || !strings.Contains(out, c.says) || strings.Contains(out, "sesame") {
			t.Errorf("%v %v: exit status %d, want %d with %q: %s", c.args, c.env, status, c.status, c.says, out)
		}
	}
}

// The addresses of docs/dashboard.md.
func TestAddresses(t *testing.T) {
	dir := t.TempDir()
	settings, keyFile := filepath.Join(dir, "fanfare.toml"), filepath.Join(dir, "key")
	for name, text := range map[string]string{settings: "[admin]\naddr = 'localhost:9464'\n[access]\ntoken-file = '" + keyFile + "'\n", keyFile: "sesame-1234\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		args            []string
		name, base, key string
	}{
		{[]string{"http://localhost:9464"}, "localhost:9464", "http://localhost:9464", ""},
		{[]string{"localhost:9464"}, "localhost:9464", "http://localhost:9464", ""},
		{[]string{"-key-file", keyFile, "https://fanfare.example.org:9464/"}, "fanfare.example.org:9464", "https://fanfare.example.org:9464", "sesame-1234"},
		{[]string{"unix:/run/fanfare/admin.sock"}, "unix:/run/fanfare/admin.sock", "http://localhost", ""},
		{[]string{"-config", settings}, "localhost:9464", "http://localhost:9464", "sesame-1234"},
	} {
		o, err := parse(c.args, nil, os.Stderr)
		if err != nil {
			t.Errorf("%v: %v", c.args, err)
			continue
		}
		if o.server.name != c.name || o.server.base.String() != c.base || o.server.key != c.key {
			t.Errorf("%v: %q %v %q", c.args, o.server.name, o.server.base, o.server.key)
		}
	}
}

// The program runs in a terminal until q is pressed.
func TestProgram(t *testing.T) {
	f := newFake()
	site := httptest.NewServer(f)
	defer site.Close()
	o, err := parse([]string{site.URL}, nil, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	defer o.server.close()
	in, keyboard, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	defer keyboard.Close()
	var out netpolltest.Output
	done := make(chan error, 1)
	go func() {
		done <- o.watch(context.Background(), &out, tea.WithInput(in), tea.WithWindowSize(80, 24), tea.WithEnvironment([]string{"TERM=xterm-256color", "NO_COLOR=1"}))
	}()
	if !netpolltest.Settles(60*time.Second, func() bool { return strings.Contains(out.String(), "18,000") }) {
		t.Fatalf("it shows %q", out.String())
	}
	for _, step := range []struct{ keys, asks string }{{"2s", "/api/topics?sort=subscribers"}, {"\r", "/api/topics/news"}, {"3", "/api/clients?limit=24"}} {
		if _, err := keyboard.WriteString(step.keys); err != nil {
			t.Fatal(err)
		}
		if !netpolltest.Settles(60*time.Second, func() bool { return f.wasAsked(step.asks) }) {
			t.Fatalf("after %q it does not ask for %s", step.keys, step.asks)
		}
	}
	if strings.Contains(out.String(), "\x1b[36m") {
		t.Error("there are colors in spite of NO_COLOR")
	}
	if _, err := keyboard.WriteString("q"); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestText(t *testing.T) {
	for got, want := range map[string]string{
		short(1234567): "1.23 M", short(12345): "12.3 k", short(999): "999", significant(0.0123): "0.012", grouped(-1234567): "-1,234,567", bytes(999): "999 B",
		bytes(3579): "3.5 KiB", seconds(0.00052): "520 µs", seconds(3700): "61 min", fit("äöü", 2): "ä…", fit("日本語", 4): "日… ", right("7", 3): "  7",
		clean("a\x00\u009b\u202eb"): `a\x00\u009b\u202eb`, sparkline([]float64{0, 1, 2, 8}, 6): "  ▁▂▃█",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
