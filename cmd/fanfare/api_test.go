package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy"
	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/wire"
)

func TestPublishBatch(t *testing.T) {
	p := start(t, "-max-message", "1000", "-topic", "kept history=10")
	c, quiet := p.join("/hub", nil), p.dial("/topics/prices.usd")
	c.gets(`"do":"subscribe","topic":"news"`)
	c.gets(`"do":"subscribe","topic":"prices.eur"`)
	resp, body := p.request("POST", "/publish", "application/json", strings.NewReader(`{"messages":[
		{"topic":"news","data":{ "a": "<" },"key":"k"},
		{"topic":"news","text":"hello"},
		{"topic":"news","base64":"AP8="},
		{"topic":"nobody","data":1},
		{"pattern":"prices.*","data":2},
		{"pattern":"nothing.>","data":3},
		{"topic":"a b","data":4},
		{"topic":"news"},
		{"topic":"news","data":1,"text":"1"},
		{"data":1},
		{"topic":"news","pattern":"news.*","data":1},
		{"pattern":"news.**","data":1},
		{"topic":"news","text":"`+strings.Repeat("x", 1001)+`"},
		{"topic":"news","data":1,"key":"`+strings.Repeat("k", 256)+`"},
		{"topic":"news","data":null}
	]}`))
	var answer struct {
		Results []struct {
			Topic, Pattern, Error string
			Position              *hub.Position
			Subscribers           *int
			Topics                map[string]struct {
				Position    hub.Position
				Subscribers int
			}
		}
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || resp.StatusCode != 200 || len(answer.Results) != 15 {
		t.Fatalf("%s %s", resp.Status, body)
	}
	r := answer.Results
	for i, offset := range map[int]uint64{0: 1, 1: 2, 2: 3, 14: 4} {
		if r[i].Topic != "news" || r[i].Error != "" || r[i].Position == nil || r[i].Position.Offset != offset || *r[i].Subscribers != 1 {
			t.Errorf("%d: %+v", i, r[i])
		}
	}
	if r[3].Position == nil || *r[3].Subscribers != 0 {
		t.Errorf("%+v", r[3])
	}
	if eur := r[4].Topics["prices.eur"]; len(r[4].Topics) != 2 || eur.Subscribers != 1 || eur.Position.Offset != 1 || r[4].Pattern != "prices.*" {
		t.Errorf("%+v", r[4])
	}
	if len(r[5].Topics) != 0 || r[5].Error != "" {
		t.Errorf("%+v", r[5])
	}
	for i, says := range map[int]string{6: "' '", 7: "one of", 8: "one of", 9: "either", 10: "either", 11: "parts of their own", 12: "1001 bytes", 13: "256 bytes"} {
		if r[i].Position != nil || !strings.Contains(r[i].Error, says) {
			t.Errorf("%d: %+v, want %q", i, r[i], says)
		}
	}
	seen := map[string]uint64{}
	for range 5 { // the order of a topic is that of the batch
		m := c.message()
		if seen[m.Topic]++; m.Offset != seen[m.Topic] {
			t.Errorf("%+v comes too early", m)
		}
		want := map[string]string{
			"news 1": `0 k {"a":"<"}`, "news 2": "1  hello", "news 3": "2  \x00\xff", "news 4": "0  null", "prices.eur 1": "0  2",
		}[fmt.Sprint(m.Topic, " ", m.Offset)]
		if got := fmt.Sprintf("%d %s %s", m.Kind, m.Key, m.Payload); got != want {
			t.Errorf("%s %d: %q, want %q", m.Topic, m.Offset, got, want)
		}
	}
	p.wants(quiet, websocket.MessageText, "2")
}

// The memory of a batch and of its response is bounded, whatever the batch contains.
func TestBatchIsBounded(t *testing.T) {
	many := []byte(`{"messages":[` + strings.Repeat("{},", 2_000_000) + `{}]}`)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := parseBatch(many)
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; !errors.Is(err, errBatch) || n > 64<<20 {
		t.Errorf("%d bytes were allocated: %v", n, err)
	}
	for body, says := range map[string]string{
		`{"messages":{}}`: "not an array", `[]`: "not an object", `{"messages":[1]}`: "an object", `{"messages":[]`: "EOF", `{"messages":[{}]} {}`: "after the object",
		`{"messages":[{}]`: "EOF", ``: "EOF", `{"messages":`: "EOF", `{"x":1}`: `no member "x"`, `{"messages":[],"key":"a"}`: `no member "key"`, `{"messages":[{"topic":}]}`: "invalid character",
	} {
		if _, err := parseBatch([]byte(body)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %s", body, err, says)
		}
	}
	p := start(t, "-topic", "p.* history=1")
	post := func(messages []string) (status int, r struct {
		Results []published
		Error   string
	}) {
		t.Helper()
		resp, body := p.request("POST", "/publish", "application/json", strings.NewReader(`{"messages":[`+strings.Join(messages, ",")+`]}`))
		if err := json.Unmarshal([]byte(body), &r); err != nil {
			t.Fatalf("%.100s: %v", body, err)
		}
		return resp.StatusCode, r
	}
	if status, r := post(slices.Repeat([]string{"{}"}, maxBatch+1)); status != 413 || !strings.Contains(r.Error, "limit of 10000") {
		t.Errorf("%d %s", status, r.Error)
	}
	const topics = 2000
	var all []string
	for i := range topics {
		all = append(all, fmt.Sprintf(`{"topic":"p.%d","data":1}`, i))
	}
	post(all)
	_, r := post(slices.Repeat([]string{`{"pattern":"p.*","data":1}`}, maxReached/topics+1))
	for i, one := range r.Results {
		if last := i == maxReached/topics; last != (one.Error != "") || last != (len(one.Topics) == 0) {
			t.Errorf("%d: %d topics, %q", i, len(one.Topics), one.Error)
		}
	}
}

func TestHistoryOverHTTP(t *testing.T) {
	p := start(t, "-topic", "x history=3")
	p.request("POST", "/topics/x", "application/json", strings.NewReader(`[1, 2]`))
	p.request("POST", "/topics/x?key=k", "text/plain", strings.NewReader(`two`))
	p.request("POST", "/topics/x", "", strings.NewReader("\xff"))
	read := func(query string) (status int, r wire.Result) {
		t.Helper()
		resp, body := p.request("GET", "/topics/x/history"+query, "", nil)
		if err := json.Unmarshal([]byte(body), &r); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		return resp.StatusCode, r
	}
	status, r := read("")
	if status != 200 || len(*r.Messages) != 3 || r.More || r.Position.Offset != 3 {
		t.Fatalf("%d %+v", status, r)
	}
	for i, want := range []wire.Message{
		{Kind: wire.JSON, Payload: []byte("[1,2]")}, {Kind: wire.Text, Payload: []byte("two"), Key: "k"}, {Kind: wire.Binary, Payload: []byte("\xff")},
	} {
		if m := (*r.Messages)[i]; m.Topic != "x" || m.Offset != uint64(i+1) || m.Kind != want.Kind || m.Key != want.Key || string(m.Payload) != string(want.Payload) {
			t.Errorf("%+v, want %+v", m, want)
		}
	}
	oldest := *r.Position
	if _, r := read("?last=2&limit=1"); len(*r.Messages) != 1 || (*r.Messages)[0].Offset != 2 || !r.More || r.Position.Offset != 2 {
		t.Errorf("%+v", r)
	}
	p.request("POST", "/topics/x", "text/plain", strings.NewReader(`four`))
	if _, r := read("?after=" + oldest.String()); len(*r.Messages) != 1 || string((*r.Messages)[0].Payload) != "four" {
		t.Errorf("%+v", r)
	}
	oldest.Offset = 0
	resp, body := p.request("GET", "/topics/x/history?after="+oldest.String(), "", nil)
	oldest.Offset = 1
	if resp.StatusCode != http.StatusGone || !strings.Contains(body, `"oldest":"`+oldest.String()+`"`) {
		t.Errorf("%s %s", resp.Status, body)
	}
	if resp, body := p.request("GET", "/topics/nothing/history", "", nil); resp.StatusCode != 200 || !strings.Contains(body, `"messages":[]`) {
		t.Errorf("%s %s", resp.Status, body)
	}
}

func TestShowTopic(t *testing.T) {
	p := start(t, "-topic", "room presence")
	p.dial("/topics/room")
	p.dial("/topics/a.*")
	for path, says := range map[string][]string{
		"/topics/room":          {`"name":"room"`, `"subscribers":1`, `"position":"`, `"websocket":"ws://` + p.addr + `/topics/room"`},
		"/topics/a.*":           {`"name":"a.*"`, `"subscribers":1`},
		"/topics/room/presence": {`"present":[]`}, // plain clients are nobody
		"/topics":               {`"name":"room"`, `"name":"a.*"`},
	} {
		resp, body := p.request("GET", path, "", nil)
		for _, say := range says {
			if resp.StatusCode != 200 || !strings.Contains(body, say) {
				t.Errorf("%s: %s %s, want %s", path, resp.Status, body, say)
			}
		}
	}
}

// The server does not wait longer than -http-timeout for a body.
func TestSlowBody(t *testing.T) {
	p := start(t, "-http-timeout", "50ms")
	if status := raw(t, p.addr, "POST /topics/x HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nx"); !strings.Contains(status, "408") {
		t.Errorf("%s", status)
	}
}

func TestTooManyTopics(t *testing.T) {
	p := start(t, "-max-topics", "1", "-user-header", "X-User")
	p.dial("/topics/one")
	if resp, body := p.request("POST", "/topics/two", "", strings.NewReader("x")); resp.StatusCode != 503 || !strings.Contains(body, "too many topics") {
		t.Errorf("%s %s", resp.Status, body)
	}
	p.join("/hub", nil).fails(`"do":"subscribe","topic":"two"`, wire.Unavailable, "too many topics")
	for path, header := range map[string]http.Header{"/topics/two": nil, "/hub": {"X-User": {"ada"}}} {
		c, _, err := websocket.Dial(p.ctx(), "ws://"+p.addr+path, &websocket.DialOptions{HTTPHeader: header})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.Read(p.ctx()); websocket.CloseStatus(err) != websocket.StatusTryAgainLater {
			t.Errorf("%s: %v", path, err)
		}
		_ = c.CloseNow()
	}
}

// Without the token a caller can neither read user messages nor list users.
func TestUsersAreNotPublic(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	users := []string{"-user-header", "X-User", "-topic", "@> history=10"}
	for _, c := range []struct {
		args   []string
		token  string
		status int
		listed bool
	}{
		{users, "", 403, false},
		{users, "Bearer ", 403, false},
		{append(users, "-token-file", file), "", 401, false},
		{append(users, "-token-file", file), "Bearer secret", 200, true},
	} {
		p := start(t, c.args...)
		p.join("/hub", http.Header{"X-User": {"ada"}})
		get := func(path string) (status int, body string) {
			r, err := http.NewRequest("GET", "http://"+p.addr+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", c.token)
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			b, _ := io.ReadAll(resp.Body)
			return resp.StatusCode, string(b)
		}
		for _, path := range []string{"/topics/@ada/history", "/topics/%40ada", "/%74opics/@ada/history", "//topics/@ada", "/topics/./@ada"} {
			if status, body := get(path); status != c.status {
				t.Errorf("%s %q: %d %s, want %d", path, c.token, status, body, c.status)
			}
		}
		if status, body := get("/topics"); status != 200 || strings.Contains(body, "ada") != c.listed {
			t.Errorf("%q: %d %s", c.token, status, body)
		}
	}
}

func TestErrorsOfTheAPI(t *testing.T) {
	p := start(t, "-max-message", "100")
	p.dial("/topics/here")
	for _, c := range []struct {
		method, path, contentType, body string
		status                          int
		says                            string
	}{
		{"POST", "/topics/x", "application/json", `{"a":`, 400, "invalid JSON"},
		{"POST", "/topics/x", "application/ld+json", "\"\xff\"", 400, "invalid JSON"},
		{"POST", "/topics/x", "application/json", ``, 400, "invalid JSON"},
		{"POST", "/topics/x?key=" + strings.Repeat("k", 256), "", "x", 400, "256 bytes"},
		{"POST", "/topics/x?key=%ff", "", "x", 400, "key that is not UTF-8"},
		{"POST", "/topics/prices.*", "", "x", 400, "/publish"},
		{"POST", "/topics/prices.%3E", "", "x", 400, "/publish"},
		{"POST", "/publish", "", "", 400, "the body must have the form"},
		{"POST", "/publish", "", "[]", 400, "the body must have the form"},
		{"POST", "/publish", "", "{\"messages\":[{\"text\":\"\xff\"}]}", 400, "UTF-8"},
		{"POST", "/publish", "", "{}", 400, `no \"messages\"`},
		{"POST", "/publish", "", `{"messages":[` + strings.Repeat("{},", 299) + `{}]}`, 413, "800 bytes"},
		{"GET", "/publish", "", "", 405, ""},
		{"POST", "/users/a%20b", "", "x", 400, "user"},
		{"POST", "/users/ada", "", strings.Repeat("x", 101), 413, "100 bytes"},
		{"GET", "/users/ada", "", "", 405, ""},
		{"GET", "/topics/none", "", "", 404, "ws://"},
		{"GET", "/topics/a%20b/history", "", "", 400, "' '"},
		{"GET", "/topics/x/history?after=5", "", "", 400, "EPOCH:OFFSET"},
		{"GET", "/topics/x/history?after=a:5", "", "", 410, "ended"},
		{"GET", "/topics/here/history?after=a:5", "", "", 410, `"oldest":"`},
		{"GET", "/topics/x/history?last=0", "", "", 400, "last=0"},
		{"GET", "/topics/x/history?limit=x", "", "", 400, "limit=x"},
		{"GET", "/topics/x/history?last=1&after=a:5", "", "", 400, "exclude each other"},
		{"GET", "/topics/here/presence", "", "", 404, "-topic"},
		{"GET", "/topics/a..b/presence", "", "", 400, "empty part"},
		{"DELETE", "/topics/none/subscribers", "", "", 404, "no subscribers"},
		{"DELETE", "/topics/here/subscribers?code=1005", "", "", 400, "1005"},
		{"DELETE", "/topics/here/subscribers?code=x", "", "", 400, "3000 to 4999"},
		{"DELETE", "/topics/here/subscribers?reason=" + strings.Repeat("x", 124), "", "", 400, "124 bytes"},
		{"DELETE", "/users/ada/connections", "", "", 404, "no connections"},
		{"DELETE", "/topics/here", "", "", 405, ""},
		{"GET", "/topics?first=10", "", "", 400, `unknown parameter \"first\"; /topics allows prefix, limit, after, token`},
		{"GET", "/topics/here?history=1", "", "", 400, `unknown parameter \"history\"; /topics/here allows token`},
		{"GET", "/topics/here/history?after=a:5&Last=1&from=2", "", "", 400, `unknown parameter \"Last\"`},
		{"GET", "/topics/here/presence?last=1", "", "", 400, `\"last\"`},
		{"POST", "/topics/x?echo=1", "", "x", 400, `\"echo\"; /topics/x allows key, token`},
		{"POST", "/publish?key=k", "", "", 400, `\"key\"`},
		{"POST", "/users/ada?topic=x", "", "x", 400, `\"topic\"`},
		{"DELETE", "/topics/here/subscribers?code=4000&why=x", "", "", 400, `\"why\"; /topics/here/subscribers allows code, reason, token`},
		{"DELETE", "/users/ada/connections?status=4000", "", "", 400, `\"status\"`},
		{"GET", "/topics?limit=%zz", "", "", 400, "malformed"},
		{"GET", "/topics?limit=5&token=anything", "", "", 200, "topics"},
		{"PUT", "/topics/here/subscribers", "", "", 405, ""},
	} {
		resp, body := p.request(c.method, c.path, c.contentType, strings.NewReader(c.body))
		if resp.StatusCode != c.status || !strings.Contains(body, c.says) {
			t.Errorf("%s %s %.40s: %d %s, want %d %q", c.method, c.path, c.body, resp.StatusCode, body, c.status, c.says)
		}
		if strings.Contains(body, "hub: ") {
			t.Errorf("%s %s: %s", c.method, c.path, body)
		}
	}
}

func TestToken(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	write := func(s string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("secret\n")
	p := start(t, "-token-file", file)
	p.dial("/topics/x")
	for _, c := range []struct {
		method, path, token string
		status              int
	}{
		{"POST", "/topics/x", "", 401},
		{"POST", "/topics/x", "Bearer secre", 401},
		{"POST", "/topics/x", "secret", 401},
		{"POST", "/topics/x", "Bearer secret", 200},
		{"POST", "/publish", "", 401},
		{"GET", "/topics/x", "", 200},
		{"GET", "/topics/x/history", "", 200},
		{"GET", "/topics/@ada/history", "", 401},
		{"GET", "/topics/%40ada", "", 401},
		{"GET", "/topics/@ada/history", "Bearer secret", 200},
		{"DELETE", "/topics/x/subscribers", "", 401},
		{"DELETE", "/users/x/connections", "Bearer ", 401},
		{"DELETE", "/topics/x/subscribers", "Bearer secret", 200},
	} {
		r, err := http.NewRequest(c.method, "http://"+p.addr+c.path, strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		if c.token != "" {
			r.Header.Set("Authorization", c.token)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != c.status || (c.status == 401) != (resp.Header.Get("WWW-Authenticate") != "") {
			t.Errorf("%s %s %q: %d, want %d", c.method, c.path, c.token, resp.StatusCode, c.status)
		}
	}
	for content, says := range map[string]string{"": "0 words", "two words": "2 words"} {
		write(content)
		if _, errs := policy.New(policy.Options{TokenFile: file}); len(errs) != 1 || !strings.Contains(errs[0].Error(), says) {
			t.Errorf("%q: %v", content, errs)
		}
	}
}

// Every batch is parsed or refused, and parsed batches agree with encoding/json.
func FuzzParseBatch(f *testing.F) {
	for _, s := range []string{
		`{"messages":[{"topic":"a","data":{"x":[1,"\ud83c\udfba"]}},{"pattern":"a.*","text":"\ud800"},{"base64":"AP8="},{"base64":5},{}]}`,
		`{"messages":[{"topic":null,"data":null,"text":null}],"more":[[]],"messages":[]}`, `{"Messages":[{}]}`, `[{}]`, "{\"messages\":[{\"text\":\"\xff\"}]}",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		all, err := parseBatch(body)
		if err == nil && !json.Valid(body) {
			t.Errorf("%q was read", body)
		}
		for i := range all {
			var p published
			if m, err := all[i].message(&p, 1<<20); err == nil && m.Data == nil {
				t.Errorf("%q: message %d is empty", body, i)
			}
		}
	})
}

// A message with a member that there is not is refused: without a misspelt one it would mean something else.
func TestUnknownMembersOfMessages(t *testing.T) {
	p := start(t)
	resp, body := p.request("POST", "/publish", "application/json", strings.NewReader(`{"messages":[{"topic":"a","data":1,"idempotence_key":"k"},{"topic":"a","data":2}]}`))
	if resp.StatusCode != 200 || !strings.Contains(body, `a message has no member \"idempotence_key\"`) || strings.Count(body, `"status":400`) != 1 || strings.Count(body, "position") != 1 {
		t.Errorf("%s %s", resp.Status, body)
	}
}
