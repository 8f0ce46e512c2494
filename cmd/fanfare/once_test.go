package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/fanfare-ws/fanfare/hub/wire"
)

// post publishes over HTTP with header fields in pairs, and returns the status and the body.
func (p *program) post(path, body string, header ...string) (int, string) {
	p.t.Helper()
	r, err := http.NewRequest("POST", "http://"+p.addr+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// published returns how many messages a topic has had.
func (p *program) published(topic string) (n int) {
	p.t.Helper()
	var s struct{ Published int }
	if _, body := p.request("GET", "/topics/"+topic, "", nil); json.Unmarshal([]byte(body), &s) != nil {
		p.t.Fatal(body)
	}
	return s.Published
}

// The same message with the same key is published once, however it comes, and each answer is that to the first one.
func TestIdempotencyKeys(t *testing.T) {
	p := start(t, "-user-header", "X-User", "-topic", "> history=100")
	c := p.join("/hub", http.Header{"X-User": {"ada"}})
	const key, ada = "0123456789abcdef", "X-User"
	status, first := p.post("/topics/a", "1", idempotencyHeader, `"`+key+`"`, ada, "ada")
	if status != 200 {
		t.Fatal(status, first)
	}
	if status, body := p.post("/topics/a", "1", idempotencyHeader, key, ada, "ada"); status != 200 || body != first {
		t.Errorf("again: %d %s, first %s", status, body, first)
	}
	if ok := c.gets(fmt.Sprintf(`"do":"publish","topic":"a","data":1,"idempotency_key":%q`, key)); !strings.Contains(first, ok.Position.String()) {
		t.Errorf("at /hub: %+v, first %s", ok, first)
	}
	_, body := p.post("/publish", fmt.Sprintf(`{"messages":[{"topic":"a","data":1,"idempotency_key":%q}]}`, key), ada, "ada")
	if want := strings.TrimSuffix(strings.TrimPrefix(first, "{"), "}\n"); !strings.Contains(body, strings.SplitN(want, ",", 2)[0]) {
		t.Errorf("in a batch: %s, first %s", body, first)
	}
	if n := p.published("a"); n != 1 {
		t.Errorf("%d were published", n)
	}
	if status, body := p.post("/topics/a", "2", idempotencyHeader, key, ada, "ada"); status != 422 || !strings.Contains(body, "used for another message") {
		t.Errorf("another message: %d %s", status, body)
	}
	c.fails(fmt.Sprintf(`"do":"publish","topic":"a","data":2,"idempotency_key":%q`, key), wire.KeyReused, "another message")
	for i, header := range [][]string{{ada, "bob"}, nil} { // others, whose keys are their own
		if status, body := p.post("/topics/a", "2", append(header, idempotencyHeader, key)...); status != 200 || p.published("a") != i+2 {
			t.Errorf("%v: %d %s", header, status, body)
		}
	}
	if status, _ := p.post("/users/ada", "1", idempotencyHeader, key, ada, "ada"); status != 200 || p.published("a") != 3 {
		t.Errorf("the same key for a user: %d", status)
	}
	for _, wrong := range [][]string{{""}, {"a b"}, {`"`}, {`""`}, {"a", "b"}, {strings.Repeat("k", 256)}, {"ä"}} {
		var header []string
		for _, one := range wrong {
			header = append(header, idempotencyHeader, one)
		}
		if status, body := p.post("/topics/a", "1", header...); status != 400 {
			t.Errorf("%q: %d %s", wrong, status, body)
		}
	}
	if status, body := p.post("/publish", `{"messages":[]}`, idempotencyHeader, key); status != 400 || !strings.Contains(body, "each message") {
		t.Errorf("a key of a batch: %d %s", status, body)
	}
}

// Of many requests with the same key at the same time one is carried out, and all get its answer.
func TestIdempotencyAtOnce(t *testing.T) {
	p := start(t)
	p.dial("/topics/a") // which keeps the topic
	var all sync.WaitGroup
	var mu sync.Mutex
	answers := make(map[string]int)
	for range 50 {
		all.Go(func() {
			status, body := p.post("/topics/a", "1", idempotencyHeader, "k")
			mu.Lock()
			defer mu.Unlock()
			answers[fmt.Sprint(status, body)]++
		})
	}
	all.Wait()
	if n := p.published("a"); n != 1 || len(answers) != 1 {
		t.Errorf("%d were published: %v", n, answers)
	}
}

// The result of each message of a batch says what became of it, in the order of the messages.
func TestBatchResults(t *testing.T) {
	file := tempFile(t, "topic = ['slow.> history=1']\n[limits]\ntopic-message-rate=1\ntopic-burst='1s'\nmax-message=1000\n[access]\ntoken-file='"+tokenFile(t)+"'\n[access.anonymous]\nwrite=['open.>','slow.>']\n")
	p := start(t, "-config", file)
	_, body := p.post("/publish", `{"messages":[
		{"topic":"open.1","data":1},
		{"topic":"closed","data":1},
		{"topic":"open..1","data":1},
		{"topic":"open.1"},
		{"topic":"open.2","text":"`+strings.Repeat("x", 1001)+`"},
		{"topic":"slow.1","data":1},
		{"topic":"slow.1","data":2},
		{"topic":"open.3","data":1,"idempotency_key":"k"},
		{"topic":"open.3","data":2,"idempotency_key":"k"},
		{"topic":"open.4","data":2,"idempotency_key":"a b"},
		{"pattern":"open.*","data":2,"idempotency_key":"k"},
		{"topic":"open.5","data":1}
	]}`)
	var r struct{ Results []published }
	if err := json.Unmarshal([]byte(body), &r); err != nil || len(r.Results) != 12 {
		t.Fatalf("%v: %s", err, body)
	}
	for i, want := range []string{
		"200 ", "401 unauthorized", "400 bad-topic", "400 bad-request", "413 too-large", "200 ", "429 rate-limited", "200 ", "422 key-reused", "400 bad-request",
		"400 bad-request", "200 ",
	} {
		one := r.Results[i]
		if one.Status == 0 {
			one.Status = 200
		}
		got := fmt.Sprintf("%d %s", one.Status, one.Code)
		if fine := one.Status == 200; got != want || fine != (one.Position != nil) || fine != (one.Error == "") || (one.Retry > 0) != (one.Status == 429) {
			t.Errorf("message %d: %s %+v, want %s", i, got, one, want)
		}
	}
}

// The state of the server, and its log, say that keys were forgotten early.
func TestForgottenIdempotencyKeys(t *testing.T) {
	p := start(t, "-admin", "127.0.0.1:0", "-idempotency-keys", "40", "-user-header", "X-User")
	for i := range 12 { // ada's quarter is 10
		if status, body := p.post("/topics/a", "1", idempotencyHeader, fmt.Sprint("k", i), "X-User", "ada"); status != 200 {
			t.Fatal(status, body)
		}
	}
	p.post("/topics/a", "1", idempotencyHeader, "k11", "X-User", "ada")
	p.post("/topics/a", "2", idempotencyHeader, "k11", "X-User", "ada")
	if o := p.snapshot().Once; o.Keys != 10 || o.Limit != 40 || o.Forgotten != 2 || o.Repeated["replayed"] != 1 || o.Repeated["reused"] != 1 {
		t.Errorf("%+v", o)
	}
	if _, body := p.operator("GET", metricsPath, ""); !strings.Contains(body, "\nfanfare_idempotency_forgotten_total 2\n") || !strings.Contains(body, "\nfanfare_idempotency_keys 10\n") {
		t.Error("the metrics do not say it")
	}
	const line = "an idempotency key was forgotten before its time"
	if !settles(func() bool { return strings.Contains(p.stderr.String(), line) }) || strings.Count(p.stderr.String(), line) != 1 || !strings.Contains(p.stderr.String(), "owner=ada") {
		t.Errorf("the log: %s", p.stderr.String())
	}
}
