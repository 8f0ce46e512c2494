package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
)

// Of each cause there is one line in ten seconds; package paced tests how many were left out.
func TestRefusedPace(t *testing.T) {
	var out bytes.Buffer
	r := refusals{log: slog.New(slog.NewTextHandler(&out, nil))}
	for range 5 {
		for c := range causes {
			r.add(c, "because", slog.Attr{})
		}
	}
	if lines := strings.Count(out.String(), "\n"); lines != int(causes) {
		t.Errorf("%d lines of %d causes:\n%s", lines, causes, &out)
	}
}

// refusedCounts returns the counters of GET /healthz of operators.
func (p *program) refusedCounts() map[string]int {
	p.t.Helper()
	_, body := p.operator("GET", healthPath, "")
	var h struct{ Refused map[string]int }
	if err := json.Unmarshal([]byte(body), &h); err != nil {
		p.t.Fatalf("%s: %v", body, err)
	}
	return h.Refused
}

// endsWith reads until the connection closes, which must be with that code.
func (p *program) endsWith(c *websocket.Conn, want websocket.StatusCode) {
	p.t.Helper()
	for {
		if _, _, err := c.Read(p.ctx()); err != nil {
			if got := websocket.CloseStatus(err); got != want {
				p.t.Errorf("closed with %d (%v), want %d", got, err, want)
			}
			return
		}
	}
}

// What is refused gets a status or a close code, and is counted and logged by its cause.
func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		flags string
		do    func(p *program)
		says  string
	}{
		"token": {"-token-file " + tokenFile(t), func(p *program) {
			if resp, _ := p.request("POST", "/topics/a", "text/plain", strings.NewReader("x")); resp.StatusCode != 401 {
				p.t.Errorf("%s", resp.Status)
			}
		}, "without a valid key"},
		"right": {"-anonymous-read news", func(p *program) {
			if status, _ := p.refused("/topics/other"); status != 403 && status != 401 {
				p.t.Errorf("%d", status)
			}
		}, "rights of a caller"},
		"user": {"-user-header X-User -max-conns-per-user 1", func(p *program) {
			ada := &websocket.DialOptions{HTTPHeader: http.Header{"X-User": {"ada"}}}
			for i, want := range []int{101, 429} {
				c, resp, err := websocket.Dial(p.ctx(), "ws://"+p.addr+"/topics/a?position=1", ada)
				if err == nil {
					p.t.Cleanup(func() { _ = c.CloseNow() })
					_, _, _ = c.Read(p.ctx()) // now it counts
				}
				if resp == nil || resp.StatusCode != want {
					p.t.Errorf("connection %d: %v", i, err)
				}
			}
		}, "as many as one may have"},
		"conn_rate": {"-conn-message-rate 1 -conn-burst 1s", func(p *program) {
			c := p.dial("/echo")
			p.send(c, "a")
			p.send(c, "b")
			p.endsWith(c, 4429)
		}, "rate of its connection"},
		"topic_rate": {"-topic-message-rate 1 -topic-burst 1s", func(p *program) {
			for _, want := range []int{200, 429} {
				resp, _ := p.request("POST", "/topics/a", "text/plain", strings.NewReader("x"))
				if resp.StatusCode != want || want == 429 && resp.Header.Get("Retry-After") == "" {
					p.t.Errorf("%s %v, want %d", resp.Status, resp.Header, want)
				}
			}
			batch := `{"messages":[{"topic":"b","data":1},{"topic":"b","data":2},{"topic":"c","data":3}]}`
			if _, body := p.request("POST", "/publish", "application/json", strings.NewReader(batch)); strings.Count(body, "rate limit") != 1 || strings.Count(body, "position") != 2 {
				p.t.Errorf("a batch: %s", body)
			}
			c := p.dial("/topics/d")
			p.send(c, "a")
			p.send(c, "b")
			p.endsWith(c, 4429)
		}, "rate of its topic"},
		"user_rate": {"-user-header X-User -user-message-rate 1 -user-burst 1s", func(p *program) {
			c := p.join("/hub", http.Header{"X-User": {"ada"}})
			c.gets(`"do":"publish","topic":"a","data":1`)
			if e := c.fails(`"do":"publish","topic":"b","data":1`, "rate-limited", "too many"); e.Retry == 0 {
				p.t.Errorf("%+v", e)
			}
		}, "rate of its user"},
		"handshake_rate": {"-handshake-rate 1", func(p *program) {
			p.dial("/echo")
			if status, _ := p.refused("/echo"); status != 503 {
				p.t.Errorf("%d", status)
			}
		}, "refused a handshake"},
		"backend": {strings.Join(newApplication(t).flags(), " "), func(p *program) {
			if status, _ := p.refused("/echo"); status != 401 {
				p.t.Errorf("%d", status)
			}
		}, "the backend did not allow"},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, append(strings.Fields(c.flags), "-admin", "127.0.0.1:0")...)
			if n, ok := p.refusedCounts()[name]; !ok || n != 0 {
				t.Errorf("at first %d", n)
			}
			c.do(p)
			if n := p.refusedCounts()[name]; n == 0 {
				t.Errorf("nothing is counted: %v", p.refusedCounts())
			}
			p.logs(c.says, 1)
			if strings.Contains("token right user backend", name) && !regexp.MustCompile(regexp.QuoteMeta(c.says)+".* client=127.0.0.1( |\n)").MatchString(p.stderr.String()) {
				t.Errorf("the line does not name the client: %s", p.stderr.String())
			}
		})
	}
}

// Whoever tries keys is named, at every entrance.
func TestRefusedClientsAreNamed(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(p *program)
		want string
	}{
		"a request":   {func(p *program) { p.request("POST", "/topics/a?token=guess", "text/plain", strings.NewReader("x")) }, "client=127.0.0.1"},
		"a handshake": {func(p *program) { p.refused("/topics/a?token=a.guess.c") }, "client=127.0.0.1"},
		"an operator": {func(p *program) { p.operator("GET", "/metrics", "", "Authorization: Bearer guess") }, "client=127.0.0.1"},
		"a message": {func(p *program) {
			p.join("/hub", nil).fails(`"do":"auth","token":"guess"`, "unauthorized", "")
		}, "address=127.0.0.1"},
		"a subscriber": {func(p *program) { p.join("/hub", nil).fails(`"do":"publish","topic":"a","data":1`, "forbidden", "") }, "address=127.0.0.1"},
		"a batch": {func(p *program) {
			p.request("POST", "/publish?token=guess", "application/json", strings.NewReader(`{"messages":[]}`))
		}, "client=127.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, "-token-file", tokenFile(t), "-anonymous-read", ">", "-jwt-secret-files", secretFile(t, strings.Repeat("x", 32)), "-admin", "localhost:0")
			c.do(p)
			settles(func() bool { return strings.Contains(p.stderr.String(), c.want) })
			if log := p.stderr.String(); strings.Count(log, "level=WARN msg=\"refused ") != 1 || !strings.Contains(log, c.want) {
				t.Errorf("it does not say %s: %s", c.want, log)
			}
		})
	}
}

// A server that other machines can reach, and where everybody may publish, says so once, and check does, too.
func TestExposed(t *testing.T) {
	const says = "other machines can connect"
	for _, c := range []struct {
		args []string
		want int
	}{{[]string{"-addr", "0.0.0.0:0"}, 1}, {nil, 0}, {[]string{"-addr", "0.0.0.0:0", "-token-file", tokenFile(t)}, 0}} {
		p := start(t, c.args...)
		settles(func() bool { return strings.Count(p.stderr.String(), says) >= c.want }) // it is logged after the greeting
		if n := strings.Count(p.stderr.String(), says); n != c.want {
			t.Errorf("%v: it says so %d times: %s", c.args, n, p.stderr.String())
		}
		var stdout, stderr netpolltest.Output
		run(t.Context(), append([]string{"check", "-addr", "127.0.0.1:0"}, c.args...), &stdout, &stderr)
		if n := strings.Count(stderr.String(), says); n != c.want {
			t.Errorf("check %v: it says so %d times: %s", c.args, n, stderr.String())
		}
	}
}

// No secret is ever printed, neither those of the server nor what clients send as one.
func TestNoSecretIsPrinted(t *testing.T) {
	const ours, theirs = "distinctive-secret-of-the-server", "distinctive-guess-of-a-client"
	dir := t.TempDir()
	file, jwt := filepath.Join(dir, "fanfare.toml"), filepath.Join(dir, "jwt")
	if err := os.WriteFile(jwt, []byte(ours+"-and-enough-bytes-for-HS256"), 0o600); err != nil {
		t.Fatal(err)
	}
	toml := fmt.Sprintf("[[access.key]]\nname = 'a'\nsecret = %q\nwrite = ['>']\n[token]\nsecret-files = [%q]\ncookie = 'session'\n", ours, jwt)
	if err := os.WriteFile(file, []byte(toml), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"-config", file, "-verbose", "-token-file", secretFile(t, ours+"-token")}
	p := start(t, append(args, "-admin", "localhost:0")...)
	for _, path := range []string{"/echo", "/hub", "/topics/a", "/nothing", "/topics/a..b"} {
		for _, secret := range []string{theirs, "a." + theirs + ".c", ours + "x"} {
			for _, o := range []websocket.DialOptions{
				{HTTPHeader: http.Header{"Authorization": {"Bearer " + secret}}},
				{HTTPHeader: http.Header{"Cookie": {"session=" + secret}}},
				{Subprotocols: []string{"fanfare.v1", "fanfare.token." + secret}},
				{HTTPHeader: http.Header{"Origin": {"https://evil.example"}, "Authorization": {"Bearer " + secret}}},
			} {
				if c, _, err := websocket.Dial(p.ctx(), "ws://"+p.addr+path, &o); err == nil {
					_ = c.CloseNow()
				}
			}
			if c, _, err := websocket.Dial(p.ctx(), "ws://"+p.addr+path+"?token="+secret, nil); err == nil {
				_ = c.CloseNow()
			}
			p.request("POST", path+"?token="+secret, "text/plain", strings.NewReader("x"))
			p.operator("GET", "/debug/pprof/heap?token="+secret, "", "Authorization: Bearer "+secret)
			raw(t, p.addr, "GET "+path+"?token="+secret+" HTTP/1.1\r\nHost: evil.example\r\nBroken\r\n\r\n")
		}
	}
	var stdout, stderr netpolltest.Output
	run(t.Context(), append([]string{"check", "-addr", "127.0.0.1:0"}, args...), &stdout, &stderr)
	for name, out := range map[string]string{"stdout": p.stdout.String(), "stderr": p.stderr.String(), "check": stdout.String() + stderr.String()} {
		if strings.Contains(out, "distinctive") {
			t.Errorf("%s has a secret: %s", name, out)
		}
	}
	if !strings.Contains(p.stderr.String(), "level=DEBUG") {
		t.Error("it is not verbose")
	}
}
