package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
)

var operatorsAt = regexp.MustCompile(`Operators connect to (\S+)`)

// operator sends a request to the listener of operators. Fields of the header are "Name: value".
func (p *program) operator(method, path, body string, fields ...string) (int, string) {
	p.t.Helper()
	return p.requestTo(operatorsAt.FindStringSubmatch(p.stdout.String())[1], method, path, body, fields...)
}

// requestTo sends a request to an address, or to the path of a Unix socket.
func (p *program) requestTo(addr, method, path, body string, fields ...string) (int, string) {
	p.t.Helper()
	network := "tcp"
	if strings.HasPrefix(addr, "/") {
		network = "unix"
	}
	tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, addr)
	}}
	defer tr.CloseIdleConnections()
	r, err := http.NewRequest(method, "http://localhost"+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		if r.Header.Set(name, value); name == "Host" {
			r.Host = value
		}
	}
	resp, err := (&http.Client{Transport: tr}).Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b)
}

// With keys, all but the state of the server needs one for everything, from this machine, too.
func TestOperatorsWithKeys(t *testing.T) {
	file := filepath.Join(t.TempDir(), "fanfare.toml")
	writeFile(t, file, `[[access.key]]
name = 'all'
secret = 'sesame-sesame-1234'
manage = ['>', '@>']
[[access.key]]
name = 'some'
secret = 'poppy-poppy-poppy-1'
read = ['>']
manage = ['news.>']
`)
	p := start(t, "-config", file, "-admin", "127.0.0.1:0", "-origins", "*")
	c := p.dial("/topics/news.a")
	const all, some = "Authorization: Bearer sesame-sesame-1234", "Authorization: Bearer poppy-poppy-poppy-1"
	for _, r := range []struct {
		method, path, body string
		fields             []string
		want               int
	}{
		{"GET", "/healthz", "", nil, 200},
		{"GET", "/readyz", "", nil, 200},
		{"GET", "/debug/pprof/heap", "", nil, 401},
		{"GET", "/debug/pprof/heap", "", []string{some}, 403},
		{"GET", "/debug/pprof/heap", "", []string{"Authorization: Bearer wrong"}, 401},
		{"GET", "/debug/pprof/heap", "", []string{all}, 200},
		{"GET", "/debug/pprof/", "", []string{all}, 200},
		{"GET", "/debug/pprof/heap?token=sesame-sesame-1234", "", nil, 200},
		{"GET", "/metrics", "", nil, 401},
		{"GET", "/metrics", "", []string{some}, 403},
		{"GET", "/metrics", "", []string{all}, 200},
		{"GET", "/metrics?token=sesame-sesame-1234", "", nil, 200},
		{"GET", "/metrics", "", []string{all, "Origin: https://evil.example"}, 403},
		{"GET", "/api/status", "", nil, 401},
		{"GET", "/api/status", "", []string{some}, 403},
		{"GET", "/api/status", "", []string{all}, 200},
		{"GET", "/api/status", "", []string{all, "Sec-Fetch-Site: cross-site"}, 403},
		{"POST", "/revocations", `{"user":"ada"}`, nil, 401},
		{"POST", "/revocations", `{"user":"ada"}`, []string{all}, 200},
		{"DELETE", "/topics/news.a/subscribers", "", []string{some}, 403},
		{"DELETE", "/topics/news.a/subscribers", "", []string{all}, 200},
		{"DELETE", "/users/ada/connections", "", []string{all}, 404},
		{"POST", "/topics/news.a", "x", []string{all}, 404},
		{"GET", "/nothing", "", nil, 401},
		{"GET", "/nothing", "", []string{all}, 404},
		{"PUT", "/revocations", "", []string{all}, 405},
		{"GET", "/healthz", "", []string{"Host: evil.example"}, 421},
		{"GET", "/debug/pprof/heap", "", []string{all, "Host: evil.example"}, 421},
		{"POST", "/revocations", `{"user":"ada"}`, []string{all, "Origin: https://evil.example"}, 403},
		{"GET", "/debug/pprof/heap", "", []string{all, "Sec-Fetch-Site: cross-site"}, 403},
		{"GET", "/debug/pprof/heap?debug=1", "", []string{all, "Origin: http://localhost"}, 200},
	} {
		if status, body := p.operator(r.method, r.path, r.body, r.fields...); status != r.want {
			t.Errorf("%s %s %v: %d %.200s, want %d", r.method, r.path, r.fields, status, body, r.want)
		}
	}
	if _, _, err := c.Read(p.ctx()); err == nil {
		t.Error("the subscriber is still connected")
	}
	for _, path := range []string{"/debug/pprof/heap", statusPath, metricsPath} {
		if resp, _ := p.request("GET", path, "", nil); resp.StatusCode != 404 {
			t.Errorf("clients can have %s: %s", path, resp.Status)
		}
	}
}

// Without keys only this machine can connect.
func TestOperatorsWithoutKeys(t *testing.T) {
	for _, addr := range []string{"localhost:0", loopback6() + ":0", "unix:" + filepath.Join(t.TempDir(), "s")} {
		p := start(t, "-admin", addr)
		for path, want := range map[string]int{"/healthz": 200, "/debug/pprof/heap": 200, "/debug/pprof/heap?token=unused": 200} {
			if status, body := p.operator("GET", path, ""); status != want {
				t.Errorf("%s: %s: %d %.100s", addr, path, status, body)
			}
		}
		if status, body := p.operator("POST", "/revocations", `{"user":"ada"}`); status != 200 {
			t.Errorf("%s: %d %s", addr, status, body)
		}
		if status, _ := p.operator("POST", "/revocations", `{"user":"ada"}`, "Origin: null"); status != 403 {
			t.Errorf("%s: a page can revoke tokens: %d", addr, status)
		}
	}
	for addr, says := range map[string]string{":0": "there is no key", "0.0.0.0:9464": "there is no key", "[::]:9464": "there is no key", "localhost:0 tls=off": "without options"} {
		for _, command := range [][]string{{"check"}, nil} {
			var stdout, stderr netpolltest.Output
			status := run(t.Context(), append(command, "-addr", "127.0.0.1:0", "-admin", addr), &stdout, &stderr)
			if status != 1 || !strings.Contains(stderr.String(), "-admin is ") || !strings.Contains(stderr.String(), says) {
				t.Errorf("%v -admin %s: exit status %d: %s", command, addr, status, stderr.String())
			}
		}
	}
}

// A server whose operators can ask for profiles records allocations for them.
func TestMemoryProfile(t *testing.T) {
	c := startChild(t, "-admin", "127.0.0.1:0")
	if rate := c.profiled("heap?debug=1", regexp.MustCompile(`@ heap/(\d+)`)); rate != 2*runtime.MemProfileRate {
		t.Errorf("the heap profile has a rate of %d", rate)
	}
}
