package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/coder/websocket"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/backend"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/config"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy"
	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
)

// asProgram makes the binary of the tests be the program, so that a test can send signals to it.
const asProgram = "RUN_AS_FANFARE"

// child is the program in a process of its own.
type child struct {
	*program
	cmd *exec.Cmd
}

func startChild(t *testing.T, args ...string) *child {
	t.Helper()
	return startChildAt(t, "127.0.0.1:0", args...)
}

func startChildAt(t *testing.T, addr string, args ...string) *child {
	t.Helper()
	return startCommand(t, exec.Command(os.Args[0], append([]string{"-addr", addr}, args...)...))
}

// startCommand starts the program with a command that runs it.
func startCommand(t *testing.T, cmd *exec.Cmd) *child {
	t.Helper()
	c := &child{&program{t: t}, cmd}
	c.cmd.Env = append(os.Environ(), asProgram+"=1")
	c.cmd.Stdout, c.cmd.Stderr = &c.stdout, &c.stderr
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if c.cmd.ProcessState == nil {
			_ = c.cmd.Process.Kill()
			_ = c.cmd.Wait()
		}
	})
	if !settles(func() bool { return strings.Contains(c.stdout.String(), "Ctrl-C") }) {
		t.Fatalf("it does not start: %s", c.stderr.String())
	}
	c.addr = listening.FindStringSubmatch(c.stdout.String())[1]
	return c
}

// hangUp sends SIGHUP, and waits until stderr has one more line with that text.
func (c *child) hangUp(says string) {
	c.t.Helper()
	before := strings.Count(c.stderr.String(), says)
	if err := c.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		c.t.Fatal(err)
	}
	if !settles(func() bool { return strings.Count(c.stderr.String(), says) > before }) {
		c.t.Fatalf("it does not say %q: %s", says, c.stderr.String())
	}
}

// posts publishes from a page of that host, and returns the status.
func (c *child) posts(topic, host, token string) int {
	c.t.Helper()
	r, _ := http.NewRequest("POST", "http://"+c.addr+"/topics/"+topic, strings.NewReader("x"))
	r.Header.Set("Content-Type", "text/plain")
	r.Header.Set("Origin", "https://"+host)
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// history returns how many messages a topic holds.
func (c *child) history(topic string) int {
	c.t.Helper()
	_, body := c.request("GET", "/topics/"+topic+"/history", "", nil)
	return strings.Count(body, `"offset"`)
}

// A broken file changes nothing. A good one changes rules, origins and keys, and the log names what needs a restart.
func TestReload(t *testing.T) {
	dir := t.TempDir()
	file, token := filepath.Join(dir, "fanfare.toml"), filepath.Join(dir, "token")
	put := func(name, format string, args ...any) {
		t.Helper()
		if err := os.WriteFile(name, fmt.Appendf(nil, format, args...), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put(file, "[access]\norigins = ['one.example']\n[[topic]]\npattern = 'kept.>'\nhistory = 5\n")
	put(token, "secret")
	c := startChild(t, "-config", file)
	if one, two := c.posts("kept.a", "one.example", ""), c.posts("kept.a", "two.example", ""); one != 200 || two != 403 || c.history("kept.a") != 1 {
		t.Fatalf("at first: %d %d", one, two)
	}

	put(file, "[access]\norigins = ['two.example']\n[limits]\nping = 5\nmax-conn = 3\n")
	c.hangUp(`"nothing was reloaded" error="`)
	for _, says := range []string{file + ":4: limits.ping", file + ":5: limits.max-conn", "did you mean limits.max-conns?"} {
		if !settles(func() bool { return strings.Contains(c.stderr.String(), says) }) {
			t.Errorf("it does not say %s: %s", says, c.stderr.String())
		}
	}
	if one, two := c.posts("kept.b", "one.example", ""), c.posts("kept.b", "two.example", ""); one != 200 || two != 403 || c.history("kept.b") != 1 {
		t.Errorf("after a broken file: %d %d", one, two)
	}

	put(file, "[access]\norigins = ['two.example']\ntoken-file = '%s'\n[limits]\nmax-conns = 300\nping = '5s'\n[[topic]]\npattern = 'new.>'\nhistory = 5\n", token)
	c.hangUp("reloaded the configuration")
	if says := c.stderr.String(); !strings.Contains(says, "changed=\"[topic access.origins access.token-file access.anonymous.write") || !strings.Contains(says, "restart=[limits.ping]") {
		t.Errorf("it says %s", says)
	}
	for _, post := range []struct {
		topic, host, token string
		status             int
	}{{"new.a", "one.example", "secret", 403}, {"new.a", "two.example", "", 401}, {"new.a", "two.example", "secret", 200}, {"kept.c", "two.example", "secret", 200}} {
		if status := c.posts(post.topic, post.host, post.token); status != post.status {
			t.Errorf("%+v: %d", post, status)
		}
	}
	if kept, now, old := c.history("kept.a"), c.history("new.a"), c.history("kept.c"); kept != 1 || now != 1 || old != 0 {
		t.Errorf("a topic that existed holds %d messages, one of the new rule %d, one of the old rule %d", kept, now, old)
	}

	held := c.join("/hub", http.Header{"Authorization": {"Bearer secret"}})
	put(token, "changed")
	c.hangUp("changed=[access.token-file]")
	if _, _, err := held.Read(c.ctx()); websocket.CloseStatus(err) != 4401 || !strings.Contains(err.Error(), "the key was replaced or removed") {
		t.Errorf("a connection with the old key: %v", err)
	}
	if old, now := c.posts("new.a", "two.example", "secret"), c.posts("new.a", "two.example", "changed"); old == 200 || now != 200 {
		t.Errorf("after a change of the token: %d, %d", old, now)
	}
}

// A hook that is taken out of the file is there until a restart, and so are its consequences: callers without a key or token
// still have no rights.
func TestReloadWithoutAHook(t *testing.T) {
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"ok":{}}`)
	}))
	t.Cleanup(app.Close)
	file := tempFile(t, "[backend]\nconnect = '"+app.URL+"'\n")
	c := startChild(t, "-config", file)
	statuses := func() (all [3]int) {
		for i, ask := range [][2]string{{"POST", "/topics/news"}, {"DELETE", "/topics/news/subscribers"}, {"GET", "/topics"}} {
			resp, _ := c.request(ask[0], ask[1], "text/plain", strings.NewReader("x"))
			all[i] = resp.StatusCode
		}
		return all
	}
	want := [3]int{403, 403, 403}
	if got := statuses(); got != want {
		t.Fatalf("at first: %v", got)
	}
	writeFile(t, file, "verbose = true\n")
	for range 2 {
		c.hangUp("restart=[backend.connect]")
		if got := statuses(); got != want {
			t.Errorf("after a reload: %v", got)
		}
	}
	writeFile(t, file, "[limits]\nmax-message = '256KiB'\nmax-pending = '1MiB'\ntotal-pending = '2MiB'\n")
	c.hangUp(`"nothing was reloaded" error="` + file + ":4: limits.total-pending is 2MiB; it must be at least limits.max-pending, 4MiB")
}

// What a reload reads is put into force together or not at all, and what asks the backend remains if its options do.
func TestApplyAllOrNothing(t *testing.T) {
	cert, key, _ := netpolltest.Certificate(t)
	secret, token := tempFile(t, "signature-1"), tempFile(t, "token-1")
	load := func(args ...string) *config.Config {
		l := config.Load(append(args, "-cert", cert, "-key", key, "-backend-connect", "http://127.0.0.1:1/", "-backend-secret-file", secret, "-token-file", token), nil)
		if len(l.Problems) > 0 {
			t.Fatal(l.Problems)
		}
		return l.Config
	}
	a, err := newApp(load("-max-handshakes", "5"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.close)
	t.Cleanup(func() { _ = a.server.Shutdown(t.Context()) })
	apply := a.apply(new(slog.LevelVar))
	type state struct {
		backend    *backend.Backend
		handshakes int
		token      bool
	}
	now := func() (s state) {
		s.backend, s.handshakes = a.hooks.current.Load(), a.server.Limits().MaxHandshakes
		id, refusal := a.access.Identify(policy.Credentials{Secrets: []policy.Secret{{Value: "token-1"}}})
		s.token = refusal == nil && id.Kind == policy.Key
		return s
	}
	before := now()
	if err := apply(load("-max-handshakes", "5")); err != nil || now().backend != before.backend {
		t.Errorf("nothing has changed: %v; another backend: %v", err, now().backend != before.backend)
	}
	writeFile(t, secret, "signature-2")
	writeFile(t, token, "two words")
	if err := apply(load("-max-handshakes", "6")); err == nil || now() != before {
		t.Errorf("with a bad key: %v, %+v, want %+v", err, now(), before)
	}
	writeFile(t, token, "token-2")
	writeFile(t, secret, "")
	if err := apply(load("-max-handshakes", "6")); err == nil || now() != before {
		t.Errorf("without a key of the signature: %v, %+v, want %+v", err, now(), before)
	}
	writeFile(t, secret, "signature-2")
	pair, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, cert, "nonsense")
	if err := apply(load("-max-handshakes", "6")); err == nil || now() != before {
		t.Errorf("with a bad certificate: %v, %+v, want %+v", err, now(), before)
	}
	writeFile(t, cert, string(pair))
	if err := apply(load("-max-handshakes", "6")); err != nil {
		t.Fatal(err)
	}
	if s := now(); s.backend == before.backend || s.handshakes != 6 || s.token {
		t.Errorf("when all is good: %+v, before %+v", s, before)
	}
}

// A server with nothing but flags says so at SIGHUP, and goes on.
func TestHangupWithoutFiles(t *testing.T) {
	c := startChild(t)
	c.hangUp("there is nothing to reload")
	if resp, body := c.request("GET", "/readyz", "", nil); resp.StatusCode != 200 || strings.Contains(c.stderr.String(), "reloaded the") {
		t.Errorf("%s %s: %s", resp.Status, body, c.stderr.String())
	}
}

func TestCheckCommand(t *testing.T) {
	cert, key, _ := netpolltest.Certificate(t)
	file := filepath.Join(t.TempDir(), "fanfare.toml")
	for text, want := range map[string]struct {
		status int
		says   string
	}{
		fmt.Sprintf("listen = ['127.0.0.1:0']\n[tls]\ncert = '%s'\nkey = '%s'\n", cert, key): {0, "The configuration is right."},
		"listen = ['127.0.0.1:0']\ncompres = true\n":                                         {1, file + ":2: compres: this is not a setting; did you mean compress?"},
		"listen = ['nonsense']\n[access]\ntoken-file = '/nowhere'":                           {1, "Mistakes: 2"},
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var stdout, stderr netpolltest.Output
		status := run(t.Context(), []string{"check", "-config", file, "-max-message", "64KiB"}, &stdout, &stderr)
		if status != want.status || !strings.Contains(stdout.String()+stderr.String(), want.says) {
			t.Errorf("%q: exit status %d: %s%s", text, status, stdout.String(), stderr.String())
		}
		if !strings.Contains(stdout.String(), `limits.max-message `) || !strings.Contains(stdout.String(), "-max-message\n") {
			t.Errorf("it does not print the values and their sources: %s", stdout.String())
		}
	}
	var stdout, stderr netpolltest.Output
	for args, want := range map[string][2]string{ // what it says, and what it does not
		"":      {"\nSettings with their defaults, which -all prints as well: ", "limits.max-header"},
		" -all": {"limits.max-header ", "-all prints"},
	} {
		var stdout, stderr netpolltest.Output
		status := run(t.Context(), strings.Fields("check -addr 127.0.0.1:0"+args), &stdout, &stderr)
		if says := stdout.String(); status != 0 || !strings.Contains(says, want[0]) || strings.Contains(says, want[1]) {
			t.Errorf("%s: exit status %d: %s%s", args, status, says, stderr.String())
		}
	}
	if status := run(t.Context(), []string{"check", "-nonsense"}, &stdout, &stderr); status != 1 || !strings.Contains(stderr.String(), "unknown flag -nonsense") {
		t.Errorf("exit status %d: %s", status, stderr.String())
	}
}

// Who starts the server with mistakes in the file is told how to see all of them.
func TestMistakesInTheFile(t *testing.T) {
	file := tempFile(t, "compres = true\n[access]\ntoken-file = '/nowhere'\n")
	for says, args := range map[string][]string{"fanfare check -config " + file + " shows all mistakes.": {"-config", file}, "Run fanfare -help": {"-nonsense"}} {
		var stdout, stderr netpolltest.Output
		if status := run(t.Context(), args, &stdout, &stderr); status != 2 || !strings.Contains(stderr.String(), says) || strings.Count(stderr.String(), "\n") != 2 {
			t.Errorf("%v: exit status %d: %s", args, status, stderr.String())
		}
	}
}

func TestConfigCommand(t *testing.T) {
	var stdout, stderr netpolltest.Output
	if status := run(t.Context(), []string{"config"}, &stdout, &stderr); status != 0 || !strings.Contains(stdout.String(), "\n[limits]\n") {
		t.Errorf("exit status %d: %s%s", status, stdout.String(), stderr.String())
	}
	if status := run(t.Context(), []string{"config", "please"}, &stdout, &stderr); status != 2 {
		t.Errorf("exit status %d", status)
	}
}

// Several listeners serve the same topics, a Unix socket among them.
func TestListeners(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	p := start(t, "-addr", "127.0.0.1:0,unix:"+path+" mode=0600")
	s, err := os.Stat(path)
	if err != nil || s.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", s, err)
	}
	if n := strings.Count(p.stdout.String(), "Fanfare is listening on "); n != 3 {
		t.Errorf("it listens at %d addresses: %s", n, p.stdout.String())
	}
}
