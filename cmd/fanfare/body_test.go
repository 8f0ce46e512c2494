package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	hubclient "github.com/fanfare-ws/fanfare/hub/client"
	"github.com/fanfare-ws/fanfare/hub/wire"
)

func TestContentTypes(t *testing.T) {
	for s, want := range map[string]wire.Kind{
		"application/json": wire.JSON, "application/json;": wire.JSON, "application/json; charset=utf-8": wire.JSON, "application/json; charset": wire.JSON,
		`application/json;charset="utf-8`: wire.JSON, "application/json, application/json": wire.JSON, " APPLICATION/Json ;x": wire.JSON,
		"application/vnd.api+json": wire.JSON, "application/cloudevents+JSON; charset=UTF-8": wire.JSON,
		"text/plain; charset": wire.Text, "Text/CSV;;": wire.Text,
		"": wire.Binary, ";": wire.Binary, "json": wire.Binary, "application/octet-stream; x=+json": wire.Binary, "textual/plain": wire.Binary,
	} {
		if got := kindOf(s); got != want {
			t.Errorf("%q: %v, want %v", s, got, want)
		}
	}
}

// No endpoint publishes a compressed body as if it were uncompressed.
func TestContentEncoding(t *testing.T) {
	p := start(t)
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	_, _ = io.WriteString(w, `{"messages":[{"topic":"x","data":1}]}`)
	_ = w.Close()
	for coding, status := range map[string]int{"": 200, "identity": 200, "Identity, identity": 200, ",": 200, "gzip": 415, "identity, br": 415, "x-unknown": 415} {
		for _, path := range []string{"/topics/x", "/users/ada", "/publish"} {
			body := []byte(`{"messages":[{"topic":"x","data":1}]}`)
			if status != 200 {
				body = z.Bytes()
			}
			r, _ := http.NewRequest("POST", "http://"+p.addr+path, bytes.NewReader(body))
			r.Header.Set("Content-Encoding", coding)
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			b, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if resp.StatusCode != status || status == 415 && (resp.Header.Get("Accept-Encoding") != "identity" || !strings.Contains(string(b), "Content-Encoding")) {
				t.Errorf("%s %q: %s %s", path, coding, resp.Status, b)
			}
		}
	}
}

// The server does not read the body of a refused request: it neither sends 100 (Continue) nor waits for the body.
func TestRefusedBodiesAreNotRead(t *testing.T) {
	p := start(t, "-token-file", tokenFile(t), "-max-message", "1000")
	const may = "Authorization: Bearer secret\r\n"
	type refusal struct {
		request, fields string
		status          int
		conn            net.Conn
	}
	var all []refusal
	for _, c := range []refusal{
		{"POST /topics/x", may + "Content-Length: 50000000\r\n", 413, nil},
		{"POST /users/x", may + "Content-Length: 1001\r\n", 413, nil},
		{"POST /publish", may + "Content-Length: 8001\r\n", 413, nil},
		{"POST /topics/x", may + "Content-Length: 100\r\nContent-Encoding: gzip\r\n", 415, nil},
		{"POST /topics/x", "Content-Length: 100\r\n", 401, nil},
		{"POST /topics/x", "Transfer-Encoding: chunked\r\n", 401, nil},
		{"POST /topics/x", may + "Content-Length: 100\r\nOrigin: http://evil.example\r\n", 403, nil},
		{"POST /topics/a..b", may + "Content-Length: 100\r\n", 400, nil},
		{"POST /topics/", may + "Content-Length: 100\r\n", 400, nil},
		{"POST /nothing", may + "Content-Length: 100\r\n", 404, nil},
		{"PUT /topics/x", may + "Content-Length: 100\r\n", 405, nil},
		{"DELETE /topics/none/subscribers", may + "Content-Length: 100\r\n", 404, nil},
		{"GET /topics", "Content-Length: 100\r\n", 200, nil},
		{"GET /", "Transfer-Encoding: chunked\r\n", 200, nil},
		{"OPTIONS /topics/x", "Content-Length: 100\r\nOrigin: http://here\r\nAccess-Control-Request-Method: POST\r\n", 204, nil},
	} {
		for _, expect := range []string{"", "Expect: 100-continue\r\n"} {
			nc, err := net.Dial("tcp", p.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			_ = nc.SetDeadline(time.Now().Add(10 * time.Second)) // -http-timeout is longer
			_, _ = io.WriteString(nc, c.request+" HTTP/1.1\r\nHost: here\r\n"+c.fields+expect+"\r\n")
			c.fields, c.conn = c.fields+expect, nc
			all = append(all, c)
		}
	}
	for _, c := range all {
		r := bufio.NewReader(c.conn)
		if resp := answerOf(t, r); resp.StatusCode != c.status {
			t.Errorf("%s %q: %s, want %d", c.request, c.fields, resp.Status, c.status)
		}
		if _, err := r.ReadByte(); err != io.EOF {
			t.Errorf("%s %q: %v after the answer, want the end", c.request, c.fields, err)
		}
	}
}

// If the body has already arrived, the connection stays open.
func TestConnectionOutlivesRefusal(t *testing.T) {
	p := start(t)
	nc, err := net.Dial("tcp", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(5 * time.Second))
	r := bufio.NewReader(nc)
	for i, c := range []struct {
		request string
		status  int
	}{
		{"POST /topics/a..b HTTP/1.1\r\nHost: here\r\nContent-Length: 5\r\n\r\nhello", 400},
		{"GET /healthz HTTP/1.1\r\nHost: here\r\nContent-Length: 5\r\n\r\nhello", 200},
		{"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n", 200},
		{"POST /topics/x HTTP/1.1\r\nHost: here\r\nContent-Length: 5\r\nContent-Encoding: br\r\n\r\nhello", 415},
		{"POST /topics/x HTTP/1.1\r\nHost: here\r\nContent-Length: 5\r\n\r\nhello", 200},
	} {
		_, _ = io.WriteString(nc, c.request)
		if resp := answerOf(t, r); resp.StatusCode != c.status {
			t.Errorf("%d: %s, want %d", i, resp.Status, c.status)
		}
	}
}

// JSON that the server accepts is valid on every way out.
func TestDeepJSON(t *testing.T) {
	p := start(t, "-topic", "> history=10", "-user-header", "X-User")
	c := p.join("/hub", http.Header{"X-User": {"ada"}})
	nested := func(n int) string {
		return strings.Repeat(`{"a":[`, n/2) + strings.Repeat("[", n%2) + strings.Repeat("]", n%2) + strings.Repeat(`]}`, n/2)
	}
	for _, n := range []int{63, 64, 65, 10_001, 200_000} {
		good := n <= wire.MaxDepth
		deep := nested(n)
		for path, body := range map[string]string{"/topics/x": deep, "/users/ada": deep, "/publish": `{"messages":[{"topic":"x","data":` + deep + `},{"topic":"x","data":1}]}`} {
			resp, answer := p.request("POST", path, "application/json", strings.NewReader(body))
			if path == "/publish" && n < 10_000 {
				if resp.StatusCode != 200 || strings.Contains(answer, "nested") == good || strings.Count(answer, `"position"`) != 1+strings.Count(answer, `"topic":"x","position"`)-1 {
					t.Errorf("%d levels to %s: %s %s", n, path, resp.Status, answer)
				}
			} else if (resp.StatusCode == 200) != good || !good && !strings.Contains(answer, "nested") && path != "/publish" {
				t.Errorf("%d levels to %s: %s %s", n, path, resp.Status, answer)
			}
		}
		if good {
			if m := c.message(); string(m.Payload) != deep {
				t.Errorf("%d levels: %.100s", n, m.Payload)
			}
		}
	}
	_, body := p.request("GET", "/topics/x/history", "", nil)
	var r wire.Result
	if err := json.Unmarshal([]byte(body), &r); err != nil || len(*r.Messages) < 4 {
		t.Errorf("%.200s: %v", body, err)
	}
}

// A message of the largest size reaches every kind of client, although its envelope makes it larger.
func TestLargestMessage(t *testing.T) {
	const limit = 1 << 20
	p := start(t, "-topic", "> history=10", "-max-message", fmt.Sprint(limit))
	session, plain := p.join("/hub", nil), p.dial("/topics/x")
	plain.SetReadLimit(limit)
	session.SetReadLimit(4 * limit)
	session.gets(`"do":"subscribe","topic":"x"`)
	program, err := hubclient.Dial(p.ctx(), "ws://"+p.addr+"/hub", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	got := make(chan hubclient.Message, 10)
	if _, err := program.Subscribe(p.ctx(), "x", nil, func(m hubclient.Message) { got <- m }); err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct {
		contentType, payload string
		kind                 wire.Kind
	}{
		{"", strings.Repeat("\xff", limit), wire.Binary},
		{"text/plain", strings.Repeat(`"`, limit), wire.Text},
		{"text/plain", strings.Repeat("\x01", limit), wire.Binary}, // six times as long as text
		{"application/json", `"` + strings.Repeat("x", limit-2) + `"`, wire.JSON},
		{"application/json", "[" + strings.Repeat("[],", limit/3-1) + "0]", wire.JSON},
	} {
		resp, body := p.request("POST", "/topics/x?key="+strings.Repeat("%22", wire.MaxKey), c.contentType, strings.NewReader(c.payload))
		if resp.StatusCode != 200 || !strings.Contains(body, `"subscribers":3`) {
			t.Fatalf("%d: %s %s", i, resp.Status, body)
		}
		if _, b, err := plain.Read(p.ctx()); err != nil || string(b) != c.payload {
			t.Fatalf("%d: a plain client got %d bytes, %v", i, len(b), err)
		}
		for name, m := range map[string]wire.Message{"a session": *session.message(), "package client": (<-got).Message} {
			if m.Kind != c.kind || string(m.Payload) != c.payload || m.Offset != uint64(i+1) {
				t.Errorf("%d: %s got %d bytes of kind %d at %d", i, name, len(m.Payload), m.Kind, m.Offset)
			}
		}
		_, body = p.request("GET", "/topics/x/history?last=1", "", nil)
		var r wire.Result
		if err := json.Unmarshal([]byte(body), &r); err != nil || len(*r.Messages) != 1 || string((*r.Messages)[0].Payload) != c.payload {
			t.Errorf("%d: GET history: %d bytes, %v", i, len(body), err)
		}
		if h := session.gets(`"do":"history","topic":"x","last":1`); len(*h.Messages) != 1 || string((*h.Messages)[0].Payload) != c.payload {
			t.Errorf("%d: the history of a session is not right", i)
		}
	}
}
