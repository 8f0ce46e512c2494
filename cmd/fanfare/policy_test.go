package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/fanfare-ws/fanfare/hub/wire"
)

// tokenFile returns a file with the token "secret".
func tokenFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// credentials are the forms in which clients may send the token "secret".
var credentials = []struct {
	name   string
	query  string
	header http.Header
	may    bool
}{
	{"nothing", "", nil, false},
	{"a wrong token", "?token=secre", http.Header{"Authorization": {"Bearer secreT"}}, false},
	{"another scheme", "", http.Header{"Authorization": {"Basic secret"}}, false},
	{"the field", "", http.Header{"Authorization": {"Bearer secret"}}, true},
	{"any case", "", http.Header{"Authorization": {"bEARER   secret"}}, true},
	{"beside that of a proxy", "", http.Header{"Authorization": {"Basic eDp5", "Bearer secret"}}, true},
	{"the parameter", "?token=secret", nil, true},
}

// A client without the token can subscribe at every endpoint and publish at none.
func TestTokenAtEveryEntrance(t *testing.T) {
	p := start(t, "-token-file", tokenFile(t), "-topic", "> history=100")
	listener := p.dial("/topics/news")
	published := 0
	for _, c := range credentials {
		t.Run(c.name, func(t *testing.T) {
			p := &program{t: t, addr: p.addr}
			hears := func(text string) {
				t.Helper()
				if c.may {
					p.wants(listener, websocket.MessageText, text)
					published++
				}
			}
			hub := p.join("/hub"+c.query, c.header)
			hub.gets(`"do":"subscribe","topic":"prices"`)
			if c.may {
				hub.gets(`"do":"publish","topic":"news","data":1`)
			} else {
				hub.fails(`"do":"publish","topic":"news","data":1`, wire.Forbidden, "token")
			}
			hears("1")
			plain, _, err := websocket.Dial(p.ctx(), "ws://"+p.addr+"/topics/news"+c.query, &websocket.DialOptions{HTTPHeader: c.header})
			if err != nil {
				t.Fatal(err)
			}
			defer plain.CloseNow()
			p.send(plain, "2")
			if !c.may {
				if _, _, err := plain.Read(p.ctx()); websocket.CloseStatus(err) != websocket.StatusPolicyViolation || !strings.Contains(err.Error(), "token") {
					t.Errorf("%v, want 1008", err)
				}
			}
			hears("2")
			for _, request := range []string{"POST /topics/news", "POST /publish", "POST /users/ada", "DELETE /topics/none/subscribers", "DELETE /users/ada/connections"} {
				method, path, _ := strings.Cut(request, " ")
				r, _ := http.NewRequest(method, "http://"+p.addr+path+c.query, strings.NewReader(`{"messages":[{"topic":"news","text":"3"}]}`))
				r.Header = c.header.Clone()
				if r.Header == nil {
					r.Header = make(http.Header)
				}
				r.Header.Set("Content-Type", "text/plain")
				resp, err := http.DefaultClient.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				body, _ := io.ReadAll(resp.Body)
				resp.Body.Close()
				if (resp.StatusCode == 401) == c.may || !c.may && !strings.Contains(string(body), "token") {
					t.Errorf("%s: %d %s", request, resp.StatusCode, body)
				}
			}
			hears(`{"messages":[{"topic":"news","text":"3"}]}`)
			hears("3")
		})
	}
	if _, body := p.request("GET", "/topics/news/history", "", nil); strings.Count(body, `"offset"`) != published {
		t.Errorf("%d are to be published: %s", published, body)
	}
}

// originCases has pages, and whether they may connect.
var originCases = []struct {
	flags, host, origin string
	site                string // Sec-Fetch-Site
	admitted            bool
	shared              string // Access-Control-Allow-Origin
}{
	{"", "here.test", "", "", true, ""},
	{"", "here.test", "http://here.test", "same-origin", true, "http://here.test"},
	{"", "here.test", "http://evil.example", "cross-site", false, ""},
	{"", "here.test", "null", "", false, ""},
	{"", "localhost:1", "http://localhost:5173", "", true, "http://localhost:5173"},
	{"", "localhost:1", "http://localhost.evil.example:1", "", false, ""},
	{"-origins app.example.org", "here.test", "https://app.example.org", "cross-site", true, "https://app.example.org"},
	{"-origins app.example.org", "here.test", "https://app.example.org:443", "", true, "https://app.example.org:443"},
	{"-origins app.example.org:443", "here.test", "https://app.example.org", "", true, "https://app.example.org"},
	{"-origins app.example.org:443", "here.test", "http://app.example.org", "", false, ""},
	{"-origins https://app.example.org/", "here.test", "https://APP.example.org", "", true, "https://APP.example.org"},
	{"-origins https://app.example.org", "here.test", "http://app.example.org", "", false, ""},
	{"-origins app.example.org", "here.test", "https://other.example.org", "", false, ""},
	{"-origins app.example.org", "here.test", "https://app.example.org:8443", "", false, ""},
	{"-origins *", "here.test", "https://anything.example", "cross-site", true, "*"},
	{"-origins *.example.org", "here.test", "https://app.example.org", "", true, "https://app.example.org"},
	{"-origins *", "here.test", "null", "", true, "*"},
}

// A handshake, a POST and its preflight request have the same answer for a page.
func TestOriginAtEveryEntrance(t *testing.T) {
	for _, c := range originCases {
		p := start(t, strings.Fields(c.flags)...)
		send := func(method, path, more string) *http.Response {
			t.Helper()
			head := method + " " + path + " HTTP/1.1\r\nHost: " + c.host + "\r\nConnection: close\r\n" + more
			if c.origin != "" {
				head += "Origin: " + c.origin + "\r\n"
			}
			if c.site != "" {
				head += "Sec-Fetch-Site: " + c.site + "\r\n"
			}
			return p.raw(head + "\r\n")
		}
		name := fmt.Sprintf("%s at %s from %s", c.flags, c.host, c.origin)
		upgrade := send("GET", "/topics/x", "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")
		if (upgrade.StatusCode == 101) != c.admitted {
			t.Errorf("%s: the handshake gets %s", name, upgrade.Status)
		}
		for _, request := range []string{"POST /topics/x", "DELETE /topics/x/subscribers", "POST /nothing", "GET /topics/x/history", "GET /topics/none", "GET /nothing", "PUT /topics/x"} {
			method, path, _ := strings.Cut(request, " ")
			resp := send(method, path, "")
			if refused := resp.StatusCode == 403; refused != (!c.admitted && method != "GET") {
				t.Errorf("%s: %s gets %s", name, request, resp.Status)
			}
			h := resp.Header
			if got := h.Get("Access-Control-Allow-Origin"); got != c.shared || (h.Get("Access-Control-Expose-Headers") != "") != (c.shared != "") {
				t.Errorf("%s: %s is shared with %q, want %q; exposed: %q", name, request, got, c.shared, h.Get("Access-Control-Expose-Headers"))
			}
			if (h.Get("Access-Control-Allow-Credentials") == "true") != (c.shared != "" && c.shared != "*") || (h.Get("Vary") == "Origin") != (c.shared != "*") {
				t.Errorf("%s: %s: credentials %q, Vary %q", name, request, h.Get("Access-Control-Allow-Credentials"), h.Get("Vary"))
			}
		}
		if c.origin == "" {
			continue
		}
		resp := send("OPTIONS", "/topics/x", "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization, content-type\r\n")
		allowed := strings.ToLower(resp.Header.Get("Access-Control-Allow-Headers"))
		if !c.admitted && (resp.StatusCode != 403 || allowed != "") ||
			c.admitted && (resp.StatusCode != 204 || !strings.Contains(allowed, "authorization") || !strings.Contains(allowed, "content-type") ||
				!strings.Contains(resp.Header.Get("Access-Control-Allow-Methods"), "DELETE") || resp.Header.Get("Access-Control-Allow-Origin") != c.shared) {
			t.Errorf("%s: the preflight gets %s %v", name, resp.Status, resp.Header)
		}
	}
}

// raw sends the bytes of a request and returns the response with its body.
func (p *program) raw(request string) *http.Response {
	p.t.Helper()
	nc, err := net.Dial("tcp", p.addr)
	if err != nil {
		p.t.Fatal(err)
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.WriteString(nc, request); err != nil {
		p.t.Fatal(err)
	}
	return answerOf(p.t, bufio.NewReader(nc))
}

func answerOf(t *testing.T, r *bufio.Reader) *http.Response {
	t.Helper()
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 101 {
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body = io.NopCloser(strings.NewReader(string(b)))
	}
	return resp
}

// A browser without Origin may say with Sec-Fetch-Site that the page is of another site.
func TestPagesWithoutOrigin(t *testing.T) {
	p := start(t)
	for site, status := range map[string]int{"": 200, "none": 200, "same-origin": 200, "same-site": 403, "cross-site": 403} {
		if resp := p.raw("POST /topics/x HTTP/1.1\r\nHost: here\r\nContent-Length: 1\r\nSec-Fetch-Site: " + site + "\r\n\r\nx"); resp.StatusCode != status {
			t.Errorf("%s: %s, want %d", site, resp.Status, status)
		}
	}
	if resp := p.raw("POST /topics/x HTTP/1.1\r\nHost: here\r\nContent-Length: 1\r\nOrigin: http://here\r\nOrigin: http://evil.example\r\n\r\nx"); resp.StatusCode/100 != 4 {
		t.Errorf("two origins: %s", resp.Status)
	}
}

// Behind a proxy with TLS the page has the origin of the proxy.
func TestOriginBehindProxy(t *testing.T) {
	for proxies, status := range map[string]int{"loopback": 200, "none": 403} {
		p := start(t, "-trusted-proxies", proxies)
		resp := p.raw("POST /topics/x HTTP/1.1\r\nHost: backend\r\nContent-Length: 1\r\nOrigin: https://live.example\r\nX-Forwarded-Host: live.example\r\nX-Forwarded-Proto: https\r\n\r\nx")
		if resp.StatusCode != status {
			t.Errorf("%s: %s, want %d", proxies, resp.Status, status)
		}
		resp = p.raw("GET /hub HTTP/1.1\r\nHost: backend\r\nX-Forwarded-Host: live.example\r\nX-Forwarded-Proto: https\r\n\r\n")
		if b, _ := io.ReadAll(resp.Body); strings.Contains(string(b), "wss://live.example/hub") != (status == 200) {
			t.Errorf("%s: %s", proxies, b)
		}
	}
}

// Every page can import the script; that does not let it connect.
func TestScriptIsForAll(t *testing.T) {
	for _, flags := range [][]string{nil, {"-origins", "app.example.org"}} {
		for _, origin := range []string{"https://app.example.org", "https://other.example", "null"} {
			h := start(t, flags...).raw("GET /fanfare.js HTTP/1.1\r\nHost: here.test\r\nOrigin: " + origin + "\r\nSec-Fetch-Site: cross-site\r\n\r\n").Header
			if h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Cross-Origin-Resource-Policy") != "cross-origin" || h.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%v, %s: %v", flags, origin, h)
			}
		}
	}
}

// All responses have the security fields, and all errors are JSON.
func TestAllAnswers(t *testing.T) {
	p := start(t, "-token-file", tokenFile(t))
	for _, c := range []struct {
		request string
		status  int
		says    string
	}{
		{"GET /", 200, ""}, {"GET /fanfare.js", 200, ""}, {"GET /healthz", 200, ""}, {"GET /topics", 200, ""},
		{"GET /topics/a/b", 404, "no slash"}, {"GET /topics/a/b/history", 404, "no slash"}, {"GET /favicon.ico", 404, "/favicon.ico"},
		{"POST /nothing", 404, "/nothing"}, {"PUT /topics/x", 405, "GET, HEAD, POST"}, {"POST /healthz", 405, "GET"}, {"PATCH /", 405, "GET"},
		{"OPTIONS /topics", 405, "GET"}, {"POST /topics/x", 401, "token"}, {"GET /hub", 426, "ws://"}, {"GET /topics/x", 404, "neither subscribers nor messages"},
	} {
		resp := p.raw(c.request + " HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
		h := resp.Header
		if resp.StatusCode != c.status || h.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
			t.Errorf("%s: %s %v", c.request, resp.Status, h)
		}
		if c.status == 200 {
			continue
		}
		var e struct{ Error string }
		body, _ := io.ReadAll(resp.Body)
		if err := json.Unmarshal(body, &e); err != nil || !strings.Contains(e.Error, c.says) || h.Get("Content-Type") != "application/json" || resp.ContentLength != int64(len(body)) {
			t.Errorf("%s: %s %v, want JSON with %q", c.request, body, h, c.says)
		}
		if c.status == 405 && !strings.Contains(h.Get("Allow"), "GET") {
			t.Errorf("%s: Allow is %q", c.request, h.Get("Allow"))
		}
	}
}

// TestVerboseRefusals checks that -verbose logs each refused handshake once.
func TestVerboseRefusals(t *testing.T) {
	p := start(t, "-verbose")
	for i := range 3 {
		_, resp, err := websocket.Dial(p.ctx(), "ws://"+p.addr+"/echo", &websocket.DialOptions{HTTPHeader: http.Header{"Origin": {"http://evil.example"}}})
		if err == nil || resp.StatusCode != http.StatusForbidden {
			t.Fatalf("%v %v", resp, err)
		}
		p.logs("http://evil.example", i+1)
	}
	if _, _, err := websocket.Dial(p.ctx(), "ws://"+p.addr+"/nowhere", nil); err == nil {
		t.Error("/nowhere accepts connections")
	}
	p.logs("/nowhere", 1)
}

// logs waits until n lines say it, and checks that there are no more. A line may come after the response that it is about.
func (p *program) logs(says string, n int) {
	p.t.Helper()
	settles(func() bool { return strings.Count(p.stderr.String(), says) >= n })
	if got := strings.Count(p.stderr.String(), says); got != n {
		p.t.Errorf("%d lines say %q, want %d: %s", got, says, n, p.stderr.String())
	}
}
