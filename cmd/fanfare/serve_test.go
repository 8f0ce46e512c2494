package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

func TestEcho(t *testing.T) {
	p := start(t)
	c := p.dial("/echo")
	for _, text := range []string{"", "hello", "Grüße 🎺", strings.Repeat("x", 20_000)} {
		p.send(c, text)
		p.wants(c, websocket.MessageText, text)
	}
	if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Error(err)
	}
}

func TestTopic(t *testing.T) {
	p := start(t)
	a, b, loud := p.dial("/topics/news"), p.dial("/topics/news"), p.dial("/topics/news?echo=1")
	other := p.dial("/topics/weather")
	p.send(a, "from a")
	p.wants(b, websocket.MessageText, "from a")
	p.wants(loud, websocket.MessageText, "from a")
	p.send(loud, "from loud")
	p.wants(a, websocket.MessageText, "from loud") // and not its own before it
	p.wants(b, websocket.MessageText, "from loud")
	p.wants(loud, websocket.MessageText, "from loud")

	for _, post := range []struct {
		contentType string
		want        websocket.MessageType
	}{
		{"text/plain; charset=utf-8", websocket.MessageText},
		{"application/octet-stream", websocket.MessageBinary},
		{"", websocket.MessageBinary},
	} {
		resp, body := p.request("POST", "/topics/news", post.contentType, strings.NewReader("posted"))
		var answer struct {
			Topic       string
			Subscribers int
		}
		if err := json.Unmarshal([]byte(body), &answer); err != nil || resp.StatusCode != 200 || answer.Subscribers != 3 || answer.Topic != "news" {
			t.Fatalf("%d %s", resp.StatusCode, body)
		}
		p.wants(a, post.want, "posted")
		p.wants(loud, post.want, "posted")
	}
	if _, body := p.request("POST", "/topics/nobody", "", strings.NewReader("x")); !strings.Contains(body, `"subscribers":0`) {
		t.Error(body)
	}
	p.send(other, "alone")
	_, body := p.request("GET", "/topics", "", nil)
	var list struct {
		Topics []struct {
			Name        string
			Subscribers int
		}
	}
	if err := json.Unmarshal([]byte(body), &list); err != nil || len(list.Topics) != 2 || list.Topics[0].Name != "news" || list.Topics[0].Subscribers != 3 {
		t.Errorf("%s", body)
	}
	_ = b.Close(websocket.StatusNormalClosure, "")
	if !settles(func() bool {
		_, body := p.request("GET", "/topics", "", nil)
		return strings.Contains(body, `"subscribers":2`)
	}) {
		t.Error("who leaves is still counted")
	}
}

func TestBadRequests(t *testing.T) {
	p := start(t, "-max-message", "1000", "-max-conns", "1000")
	for _, c := range []struct {
		method, path, contentType, body string
		status                          int
		says                            string
	}{
		{"POST", "/topics/a%20b", "", "x", 400, "' '"},
		{"POST", "/topics/a..b", "", "x", 400, "empty part"},
		{"POST", "/topics/", "", "x", 400, "name of the topic is empty"},
		{"POST", "/topics/" + strings.Repeat("n", 256), "", "x", 400, "256 bytes"},
		{"POST", "/topics/x", "text/plain", "\xff", 400, "UTF-8"},
		{"POST", "/topics/x", "", strings.Repeat("x", 1001), 413, "1000 bytes"},
		{"POST", "/topics/x", "", strings.Repeat("x", 1000), 200, "subscribers"},
		{"PUT", "/topics/x", "", "x", 405, ""},
		{"DELETE", "/topics", "", "", 405, ""},
		{"POST", "/healthz", "", "", 405, ""},
		{"GET", "/hub", "", "", 426, "ws://"},
		{"GET", "/topics/x", "", "", 404, "ws://"},
		{"GET", "/echo", "", "", 426, "ws://"},
		{"GET", "/nothing", "", "", 404, ""},
		{"GET", "/healthz", "", "", 200, `"status":"ok"`},
	} {
		resp, body := p.request(c.method, c.path, c.contentType, strings.NewReader(c.body))
		if resp.StatusCode != c.status || !strings.Contains(body, c.says) {
			t.Errorf("%s %s: %d %s, want %d %q", c.method, c.path, resp.StatusCode, body, c.status, c.says)
		}
		if c.status == 405 && resp.Header.Get("Allow") == "" {
			t.Errorf("%s %s: 405 without Allow", c.method, c.path)
		}
	}
	for path, want := range map[string]int{"/topics/a%20b": 400, "/topics/": 400, "/topics/a%2Fb": 400, "/nothing": 404, "/": 404} {
		if status, body := p.refused(path); status != want || body == "" {
			t.Errorf("ws %s: %d %q, want %d", path, status, body, want)
		}
	}
	c := p.dial("/echo")
	p.send(c, strings.Repeat("x", 1001))
	if _, _, err := c.Read(p.ctx()); websocket.CloseStatus(err) != websocket.StatusMessageTooBig {
		t.Errorf("%v, want 1009", err)
	}
}

func TestOrigin(t *testing.T) {
	upgrade := func(origin string) string {
		return "GET /echo HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: " + origin + "\r\n\r\n"
	}
	p, open, some := start(t), start(t, "-origins", "*"), start(t, "-origins", "good.example, also.example,")
	for _, c := range []struct {
		p      *program
		origin string
		status string
	}{
		{p, "http://here", "101"}, {p, "http://evil.example", "403"}, {p, "null", "403"},
		{open, "http://evil.example", "101"},
		{some, "null", "403"}, {some, "https://also.example", "101"}, {some, "https://evil.example", "403"}, {some, "http://here", "101"},
		{some, "https://good.example:443", "101"}, {some, "https://good.example:8443", "403"}, {some, "https://good.example.evil.example", "403"},
	} {
		if got := raw(t, c.p.addr, upgrade(c.origin)); !strings.HasPrefix(got, "HTTP/1.1 "+c.status) {
			t.Errorf("%s: %s, want %s", c.origin, got, c.status)
		}
	}
}

func TestPage(t *testing.T) {
	p := start(t)
	resp, body := p.request("GET", "/", "", nil)
	if resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") || !strings.Contains(body, "<title>Fanfare</title>") {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
}

func TestScript(t *testing.T) {
	p := start(t)
	resp, body := p.request("GET", "/fanfare.js", "", nil)
	if resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/javascript") || !strings.Contains(body, "export class Fanfare") {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
}

func TestDrain(t *testing.T) {
	p := start(t)
	echo, topic := p.dial("/echo"), p.dial("/topics/x")
	p.stop()
	for _, c := range []*websocket.Conn{echo, topic} {
		if _, _, err := c.Read(p.ctx()); websocket.CloseStatus(err) != websocket.StatusGoingAway {
			t.Errorf("%v, want 1001", err)
		}
	}
	status := <-p.status
	if status != 0 || !strings.Contains(p.stdout.String(), "Done.") {
		t.Errorf("exit status %d: %s", status, p.stdout.String())
	}
	p.status <- status
	if _, err := net.Dial("tcp", p.addr); err == nil {
		t.Error("still listening")
	}
}

// A client that never answers the close frame does not keep the server running.
func TestDrainWithSilentClient(t *testing.T) {
	p := start(t, "-drain", "50ms")
	nc, err := net.Dial("tcp", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, err := nc.Write([]byte("GET /echo HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(nc).ReadString('\n'); err != nil || !strings.Contains(line, "101") {
		t.Fatal(line, err)
	}
	p.stop()
	status := <-p.status
	if status != 0 || !strings.Contains(p.stderr.String(), "did not complete the closing handshake") {
		t.Errorf("exit status %d: %s", status, p.stderr.String())
	}
	p.status <- status
}

func TestErrorsOfTheCommandLine(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	for _, c := range []struct {
		args   []string
		status int
		says   string
	}{
		{[]string{"-nonsense"}, 2, "unknown flag -nonsense"},
		{[]string{"-max-message", "10 bits"}, 2, `"10 bits" is not a size`},
		{[]string{"-max-pending", "64k"}, 2, "-max-pending is 64KiB"},
		{[]string{"serve"}, 2, `unexpected argument "serve"`},
		{[]string{"-max-message", "0"}, 2, "-max-message is 0"},
		{[]string{"-max-pending", "10"}, 2, "-max-pending is 10"},
		{[]string{"-max-conns", "-1"}, 2, "-max-conns is -1"},
		{[]string{"-ping", "-1s"}, 2, "-ping is -1s; it must not be negative"},
		{[]string{"-ping", "25"}, 2, "write 25s for seconds"},
		{[]string{"-topic", "news slow=never"}, 2, "must be one of disconnect, drop-newest, drop-oldest, conflate"},
		{[]string{"-http-timeout", "-1s"}, 2, "-http-timeout is -1s"},
		{[]string{"-idle-timeout", "0"}, 2, "-idle-timeout is 0s; it must be above 0"},
		{[]string{"-total-pending", "1MiB"}, 2, "at least -max-pending, 4MiB"},
		{[]string{"-max-header", "100"}, 2, "-max-header is 100"},
		{[]string{"-max-message", "5000000000000000000"}, 2, "-max-pending"},
		{[]string{"-origins", "good.example, bad.example/path"}, 2, `-origins: "bad.example/path" is not a host`},
		{[]string{"-drain", "-1s"}, 2, "-drain"},
		{[]string{"-topic", "news hystory=5"}, 2, `"hystory=5" is not an option`},
		{[]string{"-token-file", "/nowhere/token"}, 1, "/nowhere/token"},
		{[]string{"-cert", "cert.pem"}, 2, "without -key"},
		{[]string{"-key", "key.pem"}, 2, "without -cert"},
		{[]string{"-cert", "/nowhere/cert.pem", "-key", "/nowhere/key.pem"}, 1, "/nowhere/cert.pem"},
		{[]string{"-addr", busy.Addr().String()}, 1, "is in use"},
		{[]string{"-addr", "nonsense"}, 1, "host:port"},
		{[]string{"-cpuprofile", "/nowhere/profile"}, 1, "/nowhere/profile"},
	} {
		var stdout, stderr bytes.Buffer
		if status := run(context.Background(), c.args, &stdout, &stderr); status != c.status || !strings.Contains(stderr.String(), c.says) {
			t.Errorf("%v: exit status %d, %q; want %d, %q", c.args, status, stderr.String(), c.status, c.says)
		}
		if n := strings.Count(stderr.String(), "\n"); c.status != 0 && n > 2 {
			t.Errorf("%v: what is wrong drowns in %d lines: %s", c.args, n, stderr.String())
		}
	}
}

// Help and version go to stdout, so that they can be piped.
func TestHelpAndVersion(t *testing.T) {
	for arg, says := range map[string]string{
		"-help": "Usage: fanfare [flags]", "-h": "-max-message", "help": "(default 1MiB)", "-version": "fanfare (devel)", "version": runtime.Version(),
	} {
		var stdout, stderr bytes.Buffer
		if status := run(context.Background(), []string{arg}, &stdout, &stderr); status != 0 || !strings.Contains(stdout.String(), says) || stderr.Len() > 0 {
			t.Errorf("%s: exit status %d, %q, and %q to stderr; want %q", arg, status, stdout.String(), stderr.String(), says)
		}
	}
	var stdout, stderr bytes.Buffer
	if status := run(context.Background(), []string{"version", "please"}, &stdout, &stderr); status != 2 || stdout.Len() > 0 {
		t.Errorf("exit status %d, %s", status, stdout.String())
	}
}

// A slow subscriber is disconnected with 1013 and counted; the others receive all messages.
func TestSlowSubscriber(t *testing.T) {
	p := start(t, "-max-message", "65536", "-max-pending", "524288")
	slow, quick := p.dial("/topics/x"), p.dial("/topics/x")
	quick.SetReadLimit(1 << 20)
	slow.SetReadLimit(1 << 20)
	payload := strings.Repeat("x", 60_000)
	n := 0
	if !settles(func() bool {
		resp, _ := p.request("POST", "/topics/x", "text/plain", strings.NewReader(payload))
		if n++; resp.StatusCode != http.StatusOK {
			t.Fatal(resp.Status)
		}
		p.wants(quick, websocket.MessageText, payload)
		_, list := p.request("GET", "/topics", "", nil)
		return strings.Contains(list, `"evicted":1`)
	}) {
		t.Fatal("it was not disconnected")
	}
	got := 0
	for {
		_, b, err := slow.Read(p.ctx())
		if err != nil {
			if websocket.CloseStatus(err) != websocket.StatusTryAgainLater {
				t.Errorf("closed with %v, want 1013", err)
			}
			break
		}
		if string(b) != payload {
			t.Fatal("a damaged message")
		}
		got++
	}
	if got == 0 || got >= n {
		t.Errorf("it got %d of %d messages before", got, n)
	}
}

// A POST of a page of another host is refused; a POST without an origin is not.
func TestPostFromOtherPages(t *testing.T) {
	p, some := start(t), start(t, "-origins", "good.example")
	for _, c := range []struct {
		p      *program
		origin string
		status string
	}{{p, "", "200"}, {p, "http://here", "200"}, {p, "http://evil.example", "403"}, {some, "https://good.example", "200"}} {
		request := "POST /topics/x HTTP/1.1\r\nHost: here\r\nContent-Length: 1\r\nContent-Type: text/plain\r\n"
		if c.origin != "" {
			request += "Origin: " + c.origin + "\r\n"
		}
		if got := raw(t, c.p.addr, request+"\r\nx"); !strings.HasPrefix(got, "HTTP/1.1 "+c.status) {
			t.Errorf("%q: %s, want %s", c.origin, got, c.status)
		}
	}
}

// With -compress, a client that offers compression gets it, on /echo and in topics, beside clients that do not.
func TestCompress(t *testing.T) {
	p := start(t, "-compress")
	opts := &websocket.DialOptions{CompressionMode: websocket.CompressionNoContextTakeover}
	c, resp, err := websocket.Dial(p.ctx(), "ws://"+p.addr+"/topics/x?echo=1", opts)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if e := resp.Header.Get("Sec-WebSocket-Extensions"); !strings.HasPrefix(e, "permessage-deflate;") {
		t.Errorf("the extensions are %q", e)
	}
	plain := p.dial("/topics/x")
	msg := strings.Repeat("all the same ", 1000)
	if err := c.Write(p.ctx(), websocket.MessageText, []byte(msg)); err != nil {
		t.Fatal(err)
	}
	p.wants(c, websocket.MessageText, msg)
	p.wants(plain, websocket.MessageText, msg)
}
