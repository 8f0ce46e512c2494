//go:build cluster

package natsserver

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
)

// patience is for what a slow machine does.
const patience = 60 * time.Second

// testServer is a server and its log.
type testServer struct {
	*Server
	t    testing.TB
	opts Options
	log  *netpolltest.Output
}

// run starts a server, which ends with the test.
func run(t testing.TB, o Options) *testServer {
	t.Helper()
	s, err := tryRun(t, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func tryRun(t testing.TB, o Options) (*testServer, error) {
	log := new(netpolltest.Output)
	o.Log = slog.New(slog.NewTextHandler(log, nil))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s, err := Start(ctx, o)
	if err != nil {
		return nil, err
	}
	ts := &testServer{s, t, o, log}
	t.Cleanup(ts.stop)
	return ts, nil
}

// stop ends the server, if it runs.
func (s *testServer) stop() {
	if s.Server == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		s.t.Error(err)
	}
	s.Server = nil
}

// inProcess returns the option that connects within the process.
func (s *testServer) inProcess() nats.Option { return nats.SetCustomDialer(dialer{s.Server}) }

type dialer struct{ s *Server }

func (d dialer) Dial(string, string) (net.Conn, error) { return d.s.Dial(context.Background()) }

// jetStream returns a connection within the process.
func (s *testServer) jetStream() nats.JetStreamContext {
	s.t.Helper()
	nc, err := nats.Connect("nats://127.0.0.1:1", s.inProcess(), nats.NoReconnect())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(nc.Close)
	js, err := nc.JetStream(nats.MaxWait(5 * time.Second))
	if err != nil {
		s.t.Fatal(err)
	}
	return js
}

// What is stored remains, and the node has the name that it had, wherever it runs.
func TestRestart(t *testing.T) {
	o := Options{Dir: filepath.Join(t.TempDir(), "new", "data"), MaxMessage: 3 << 20}
	s := run(t, o)
	name := s.Name()
	js := s.jetStream()
	if _, err := js.AddStream(&nats.StreamConfig{Name: "S", Subjects: []string{"s"}, MaxBytes: 16 << 20}); err != nil {
		t.Fatal(err)
	}
	large := strings.Repeat("x", 3<<20)
	if _, err := js.Publish("s", []byte(large)); err != nil {
		t.Fatal(err)
	}
	s.stop()
	o.Routes.Listen = "127.0.0.1:1" // in a name of its own
	s = run(t, o)
	if s.Name() != name {
		t.Errorf("the name was %s, and is %s", name, s.Name())
	}
	m, err := s.jetStream().GetMsg("S", 1)
	if err != nil || string(m.Data) != large {
		t.Errorf("the message is gone: %v", err)
	}
	if said := s.log.String(); said != "" {
		t.Errorf("the log has %s", said)
	}
}

// A directory has one process, and one cluster.
func TestDirectoryIsTaken(t *testing.T) {
	dir := t.TempDir()
	s := run(t, Options{Dir: dir})
	_, err := tryRun(t, Options{Dir: dir})
	wantError(t, err, "is in use by another process")
	s.stop()
	_, err = tryRun(t, Options{Dir: dir, Routes: Routes{Cluster: "c", Listen: "127.0.0.1:1", Peers: []string{"127.0.0.1:2"}}})
	wantError(t, err, `belongs to a single node; it cannot be used for the cluster "c"`)
	run(t, Options{Dir: dir})
}

// A directory that cannot serve is refused with its name, and is not left locked.
func TestDirectoryIsWrong(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	damaged := t.TempDir()
	nameless := t.TempDir()
	for name, text := range map[string]string{file: "", filepath.Join(damaged, "node.json"): "{", filepath.Join(nameless, "node.json"): "{}"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for dir, says := range map[string]string{
		file: "the data directory", filepath.Join(file, "data"): "cannot be created", "/proc/self": "cannot be written",
		damaged: "which has the name of this node, cannot be read", nameless: "it has no name",
	} {
		_, err := tryRun(t, Options{Dir: dir})
		wantError(t, err, says)
		wantError(t, err, dir)
	}
	if err := os.Remove(filepath.Join(damaged, "node.json")); err != nil {
		t.Fatal(err)
	}
	run(t, Options{Dir: damaged})
}

// A store that JetStream cannot read is an error of Start, not the end of the process.
func TestStoreIsWrong(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "jetstream"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := tryRun(t, Options{Dir: dir})
	wantError(t, err, "the NATS server in this process cannot start: Can't start JetStream")
	if err := os.Remove(filepath.Join(dir, "jetstream")); err != nil {
		t.Fatal(err)
	}
	run(t, Options{Dir: dir})
}

// A disk that is too small is a warning.
func TestDiskIsTight(t *testing.T) {
	s := run(t, Options{Dir: t.TempDir(), MaxBytes: 1 << 60})
	if !strings.Contains(s.log.String(), "less room than the stored messages may take") {
		t.Errorf("the log has %q", s.log.String())
	}
}

// Start gives up when its context ends.
func TestStartIsBounded(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(fmt.Errorf("enough"))
	o := Options{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)}
	switch s, err := Start(ctx, o); {
	case err != nil:
		wantError(t, err, "enough")
	case s.Stop(t.Context()) != nil: // it was faster
		t.Error("the server does not end")
	}
	if !netpolltest.Settles(patience, func() bool { _, err := tryRun(t, o); return err == nil }) {
		t.Error("the server that was given up has the directory still")
	}
}

func TestReplicas(t *testing.T) {
	for want, all := range map[int][]Routes{
		1: {{}, {Listen: "a:1", Peers: []string{"b:1"}}, {Listen: "a:1", Peers: []string{"a:1", "b:1"}}},
		3: {{Listen: "a:1", Peers: []string{"b:1", "c:1"}}, {Listen: "a:1", Peers: []string{"a:1", "b:1", "c:1"}}, {Listen: ":1", Peers: []string{"b:1", "c:1", "d:1", "e:1"}}},
	} {
		for _, r := range all {
			if got := r.Replicas(); got != want {
				t.Errorf("%+v: %d", r, got)
			}
		}
	}
}

func TestCheckAddress(t *testing.T) {
	for address, says := range map[string]string{
		"node-2:6222": "", "[::1]:1": "", "node-2": "is not an address", ":6222": "has no host", "a:0": "it must be a number from 1", "a:65536": "to 65535", "a:nats": "has the port",
	} {
		if err := CheckAddress(address, false); (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", address, err)
		}
	}
	if err := CheckAddress(":6222", true); err != nil {
		t.Error(err)
	}
}

func wantError(t testing.TB, err error, says string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), says) {
		t.Errorf("%v, want %q", err, says)
	}
}

// awaitLog waits until the log has a text.
func (s *testServer) awaitLog(text string) {
	s.t.Helper()
	if !netpolltest.Settles(patience, func() bool { return strings.Contains(s.log.String(), text) }) {
		s.t.Errorf("the log does not have %q, but %s", text, s.log.String())
	}
}

// Nothing in the log is repeated without end, and nothing disappears without a trace.
func TestLogger(t *testing.T) {
	var out netpolltest.Output
	l := newLogger(slog.New(slog.NewTextHandler(&out, nil)))
	l.Noticef("a notice")
	for port := range 100 {
		l.Errorf("%s - rid:%d - authentication error", net.JoinHostPort("10.0.0.1", fmt.Sprint(port)), port)
	}
	l.Warnf("another kind")
	if n := strings.Count(out.String(), "level=ERROR"); n != 1 || strings.Contains(out.String(), "notice") || strings.Count(out.String(), "level=WARN") != 1 {
		t.Errorf("the log has %s", out.String())
	}
	now := time.Now().Add(paceTime)
	if more, ok := l.may("10.0.0.1:7 - rid:7 - authentication error", now); !ok || more != 99 {
		t.Errorf("%d lines were left out, %v", more, ok)
	}
	kinds := 0
	for c := range 100 {
		if _, ok := l.may(string(rune('a'+c)), now); ok {
			kinds++
		}
	}
	if kinds >= paceKinds || len(l.said) > paceKinds {
		t.Errorf("%d kinds within %v, %d remembered", kinds, paceTime, len(l.said))
	}
}

// The first fatal error is the one that Start returns; others are logged.
func TestFatal(t *testing.T) {
	var out netpolltest.Output
	l := newLogger(slog.New(slog.NewTextHandler(&out, nil)))
	l.Fatalf("the %s", "first")
	l.Fatalf("the %s", "second")
	if why := <-l.fatal; why != "the first" || !strings.Contains(out.String(), "the second") {
		t.Errorf("%q, and the log has %q", why, out.String())
	}
}
