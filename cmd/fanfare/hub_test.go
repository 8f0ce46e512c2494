package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/wire"
)

func TestHub(t *testing.T) {
	p := start(t)
	a, b := p.join("/hub", nil), p.join("/hub", nil)
	old := p.dial("/topics/news")
	if a.hello.Client == b.hello.Client {
		t.Error("two clients have the same name")
	}
	at := a.gets(`"do":"subscribe","topic":"news"`)
	if at.Topic != "news" || at.Position == nil || at.Position.Offset != 0 {
		t.Fatalf("%+v", at)
	}
	b.gets(`"do":"subscribe","topic":"news"`)
	b.gets(`"do":"subscribe","topic":"weather"`)
	rc := a.gets(`"do":"publish","topic":"news","data":{ "a": [1, "< >"] }`)
	if want := (hub.Position{Epoch: at.Position.Epoch, Offset: 1}); *rc.Position != want || *rc.Receivers != 3 {
		t.Errorf("published at %v to %d, want %v to 3", rc.Position, *rc.Receivers, want)
	}
	b.wantsMessage("news", 1, wire.JSON, `{"a":[1,"< >"]}`)
	p.wants(old, websocket.MessageText, `{"a":[1,"< >"]}`)
	if a.send(a.Conn, `{"do":"publish","topic":"news","data":null,"echo":true}`); a.message().Offset != 2 {
		t.Error("its own message did not come, although it asked for it")
	}
	b.wantsMessage("news", 2, wire.JSON, "null")
	p.wants(old, websocket.MessageText, "null")
	p.send(old, "1\n")
	a.wantsMessage("news", 3, wire.Text, "1\n")
	b.wantsMessage("news", 3, wire.Text, "1\n")
	if err := old.Write(p.ctx(), websocket.MessageBinary, []byte("\x00\xff")); err != nil {
		t.Fatal(err)
	}
	a.wantsMessage("news", 4, wire.Binary, "\x00\xff")
	b.wantsMessage("news", 4, wire.Binary, "\x00\xff")
	p.request("POST", "/topics/weather", "application/json", strings.NewReader("[1, 2]"))
	b.wantsMessage("weather", 1, wire.JSON, "[1,2]")
	b.gets(`"do":"unsubscribe","topic":"news"`)
	a.gets(`"do":"publish","topic":"news","data":5`)
	if r := b.gets(`"do":"ping"`); *r != (wire.Result{}) {
		t.Errorf("a ping was answered with %+v", r)
	}
}

// The events on the wire have the form in the package's documentation.
func TestHubOnTheWire(t *testing.T) {
	p := start(t)
	c, _, err := websocket.Dial(p.ctx(), "ws://"+p.addr+"/hub", nil) // without a subprotocol
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	for _, step := range []struct{ say, hear string }{
		{"", `{"hello":{"protocol":"fanfare.v1","client":"*"}}`},
		{`{"id":1,"do":"subscribe","topic":"news"}`, `{"id":1,"ok":{"topic":"news","position":"*:0"}}`},
		{`{"id":9007199254740991,"do":"ping"}`, `{"id":9007199254740991,"ok":{}}`},
		{` {"do":"publish","topic":"news","echo":true,"data":{"text": "hello"},"key":"k","more":1}`,
			`{"topic":"news","offset":1,"time":*,"key":"k","data":{"text":"hello"}}`},
		{`{"id":0,"do":"ping"}`, `{"error":{"code":"bad-request","message":"*"}}`},
		{`{"id":7,"do":"x"}`, `{"id":7,"error":{"code":"unknown","message":"*"}}`},
		{`{"do":"x"}`, `{"error":{"code":"unknown","message":"*"}}`},
		{`{"id":8,"do":"unsubscribe","topic":"news"}`, `{"id":8,"ok":{"topic":"news"}}`},
	} {
		if step.say != "" {
			p.send(c, step.say)
		}
		_, b, err := c.Read(p.ctx())
		if err != nil {
			t.Fatal(err)
		}
		if !like(step.hear, string(b)) {
			t.Errorf("%s: got %s, want %s", step.say, b, step.hear)
		}
		if !json.Valid(b) {
			t.Errorf("%s is no JSON", b)
		}
	}
}

// like reports whether s matches a pattern, in which * stands for any text.
func like(pattern, s string) bool {
	parts := strings.Split(pattern, "*")
	for i, part := range parts {
		at := strings.Index(s, part)
		if at < 0 || i == 0 && at > 0 {
			return false
		}
		s = s[at+len(part):]
	}
	return s == ""
}

func TestErrorsOfHub(t *testing.T) {
	p := start(t, "-max-message", "5000")
	c := p.join("/hub", nil)
	at := c.gets(`"do":"subscribe","topic":"a"`).Position
	for _, e := range []struct{ request, code, says string }{
		{`"do":"subscribe","topic":"a"`, wire.Subscribed, `"a"`},
		{`"do":"subscribe","topic":"a b"`, wire.BadTopic, "' '"},
		{`"do":"subscribe"`, wire.BadTopic, "empty"},
		{`"do":"subscribe","topic":"a.>.b"`, wire.BadTopic, "before its end"},
		{`"do":"subscribe","topic":"@ada"`, wire.Forbidden, "users"},
		{`"do":"subscribe","topic":"b","after":"zz:5"`, wire.TooOld, "begun anew"},
		{`"do":"subscribe","topic":"b","presence":true`, wire.BadRequest, "not enabled"},
		{`"do":"subscribe","topic":"b","last":-1`, wire.BadRequest, "negative"},
		{`"do":"unsubscribe","topic":"b"`, wire.NotSubscribed, `"b"`},
		{`"do":"unsubscribe"`, wire.NotSubscribed, `""`},
		{`"do":"publish","topic":"b"`, wire.BadRequest, `"data"`},
		{`"do":"publish","topic":"b.*","data":1`, wire.BadTopic, "as only patterns may"},
		{`"do":"publish","topic":"@ada","data":1`, wire.Forbidden, "users"},
		{`"do":"history","topic":"@ada"`, wire.Forbidden, "users"},
		{`"do":"history","topic":"a.*"`, wire.BadTopic, "patterns"},
		{`"do":"history","topic":"gone","after":"zz:5"`, wire.TooOld, "ended"},
		{`"do":"history","topic":"a","after":"zz:5"`, wire.TooOld, "begun anew"},
		{`"do":"history","topic":"a","after":"5"`, wire.BadRequest, "EPOCH:OFFSET"},
		{`"do":"presence","topic":"a"`, wire.BadRequest, "not enabled"},
		{`"do":"presence","topic":"@ada"`, wire.Forbidden, "users"},
		{`"do":"presence","topic":"a b"`, wire.BadTopic, "' '"},
		{`"topic":"a"`, wire.BadRequest, "subscribe, unsubscribe, publish"},
		{`"do":"listen"`, wire.Unknown, `"listen"`},
	} {
		got := c.fails(e.request, e.code, e.says)
		if strings.HasPrefix(got.Message, "hub:") || (got.Oldest != nil) != strings.Contains(got.Message, "anew") {
			t.Errorf("%s: %+v", e.request, got)
		}
	}
	if now := c.gets(`"do":"history","topic":"a"`); *now.Position != *at || len(*now.Messages) != 0 {
		t.Errorf("after all of these: %+v", now)
	}
	for _, e := range []struct {
		typ  websocket.MessageType
		say  string
		code websocket.StatusCode
	}{
		{websocket.MessageBinary, `{"id":1,"do":"ping"}`, websocket.StatusUnsupportedData},
		{websocket.MessageText, `[]`, websocket.StatusInvalidFramePayloadData},
		{websocket.MessageText, `{"id":`, websocket.StatusInvalidFramePayloadData},
		{websocket.MessageText, strings.Repeat(" ", 5001), websocket.StatusMessageTooBig},
	} {
		c := p.join("/hub", nil)
		if err := c.Write(c.ctx(), e.typ, []byte(e.say)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.Read(c.ctx()); websocket.CloseStatus(err) != e.code {
			t.Errorf("%.20q: %v, want %d", e.say, err, e.code)
		}
	}
}

func TestHubHandshake(t *testing.T) {
	p := start(t, "-user-header", "X-User")
	for _, c := range []struct {
		path   string
		header http.Header
		status int
		says   string
	}{
		{"/hub", http.Header{"Sec-Websocket-Protocol": {"chat, fanfare.v2"}}, 400, "fanfare.v1; the client offers only chat, fanfare.v2"},
		{"/hub?data=x", nil, 400, "invalid JSON"},
		{"/hub?data=%22" + strings.Repeat("x", 1023) + "%22", nil, 413, "1025 bytes"},
		{"/hub", http.Header{"X-User": {"a b"}}, 400, "X-User"},
		{"/hub", http.Header{"X-User": {"mallory", "ada"}}, 400, "2 fields X-User"},
		{"/topics/@ada", nil, 403, "users"},
		{"/hub/", nil, 404, "/hub"},
	} {
		_, resp, err := websocket.Dial(p.ctx(), "ws://"+p.addr+c.path, &websocket.DialOptions{HTTPHeader: c.header})
		if err == nil || resp == nil || resp.StatusCode != c.status {
			t.Errorf("%s %v: %v, want %d", c.path, c.header, err, c.status)
			continue
		}
		if body, _ := io.ReadAll(resp.Body); !strings.Contains(string(body), c.says) {
			t.Errorf("%s %v: %s, want %q", c.path, c.header, body, c.says)
		}
	}
	if h := p.join("/hub", http.Header{"X-User": {"ada"}}).hello; h.User != "ada" {
		t.Errorf("%+v", h)
	}
	if h := start(t).join("/hub", http.Header{"X-User": {"ada"}}).hello; h.User != "" {
		t.Errorf("without -user-header anybody can be %q", h.User)
	}
}

func TestPatterns(t *testing.T) {
	p := start(t)
	c, pub := p.join("/hub", nil), p.join("/hub", nil)
	one, all := p.dial("/topics/prices.*"), p.dial("/topics/prices.%3E")
	c.gets(`"do":"subscribe","topic":"prices.*"`)
	if r := pub.gets(`"do":"publish","topic":"prices.eur","data":1`); *r.Receivers != 3 {
		t.Errorf("%d receivers, want 3", *r.Receivers)
	}
	pub.gets(`"do":"publish","topic":"prices.eur.bid","data":2`)
	pub.gets(`"do":"publish","topic":"prices","data":3`)
	pub.gets(`"do":"publish","topic":"prices.usd","data":4`)
	c.wantsMessage("prices.eur", 1, wire.JSON, "1")
	c.wantsMessage("prices.usd", 1, wire.JSON, "4")
	for _, want := range []string{"1", "4"} {
		p.wants(one, websocket.MessageText, want)
	}
	for _, want := range []string{"1", "2", "4"} {
		p.wants(all, websocket.MessageText, want)
	}
	p.send(one, "to whom?")
	if _, _, err := one.Read(p.ctx()); websocket.CloseStatus(err) != websocket.StatusPolicyViolation || !strings.Contains(err.Error(), "pattern") {
		t.Errorf("%v, want 1008", err)
	}
}

func TestPresence(t *testing.T) {
	p := start(t, "-topic", "room presence grace=1ms", "-user-header", "X-User")
	ada := http.Header{"X-User": {"ada"}}
	a := p.join("/hub?data=%7B%22name%22:%22Ada%22%7D", ada)
	if r := a.gets(`"do":"subscribe","topic":"room","presence":true`); r.Present == nil || len(*r.Present) != 0 {
		t.Errorf("present: %+v", r.Present)
	}
	person := func(who []wire.Person, id, data string) bool {
		return len(who) == 1 && who[0].ID == id && string(who[0].Data) == data
	}
	if e := a.event().Change; e == nil || e.Topic != "room" || !person(e.Joined, "ada", `{"name":"Ada"}`) || len(e.Left) != 0 {
		t.Fatalf("%+v", e)
	}
	b := p.join("/hub", nil)
	if r := b.gets(`"do":"subscribe","topic":"room","presence":true`); !person(*r.Present, "ada", `{"name":"Ada"}`) {
		t.Errorf("present: %+v", *r.Present)
	}
	if e := a.event().Change; e == nil || !person(e.Joined, b.hello.Client, "") || !e.Joined[0].Anonymous {
		t.Fatalf("%+v", e)
	}
	again := p.join("/hub", ada) // is nothing new
	again.gets(`"do":"subscribe","topic":"room"`)
	_, body := p.request("GET", "/topics/room/presence", "", nil)
	if !strings.Contains(body, `"connections":2`) || !strings.Contains(body, `"id":"`+b.hello.Client+`","anonymous":true`) {
		t.Error(body)
	}
	if r := again.gets(`"do":"presence","topic":"room"`); len(*r.Present) != 2 {
		t.Errorf("present: %+v", *r.Present)
	}
	if e := b.event().Change; e == nil || !person(e.Joined, b.hello.Client, "") {
		t.Fatalf("%+v", e)
	}
	b.gets(`"do":"unsubscribe","topic":"room"`)
	if e := a.event().Change; e == nil || len(e.Joined) != 0 || !person(e.Left, b.hello.Client, "") {
		t.Fatalf("%+v", e)
	}
}

// A subscriber that does not read for a while then receives the latest message of each key, and the number of dropped ones.
func TestConflation(t *testing.T) {
	p := start(t, "-topic", "x slow=conflate limit=100KiB", "-max-pending", "5000000")
	c := p.join("/hub", nil)
	c.gets(`"do":"subscribe","topic":"x"`)
	filler := strings.Repeat("x", 10_000)
	published := uint64(0)
	publish := func(text string) {
		t.Helper()
		if resp, body := p.request("POST", fmt.Sprintf("/topics/x?key=%d", published%3), "text/plain", strings.NewReader(text)); resp.StatusCode != 200 {
			t.Fatal(body)
		}
		published++
	}
	// The client lags behind once messages have been replaced; before that they may only be in transit.
	if !settles(func() bool {
		publish(filler)
		_, body := p.request("GET", "/topics/x", "", nil)
		return strings.Contains(body, `"dropped"`) && strings.Contains(body, `"lagging":1`)
	}) {
		t.Fatal("it did not fall behind")
	}
	for i := range 3 {
		publish(fmt.Sprint("last ", i))
	}
	var got, dropped, last uint64
	latest := make(map[string]string)
	for got+dropped < published {
		switch e := c.event(); {
		case e.Dropped != nil && e.Dropped.Topic == "x":
			dropped += uint64(e.Dropped.Messages)
		case e.Message != nil && e.Message.Offset > last:
			last, latest[e.Message.Key] = e.Message.Offset, string(e.Message.Payload)
			got++
		default:
			t.Fatalf("%+v after %d", e, last)
		}
	}
	if dropped == 0 || last != published || len(latest) != 3 {
		t.Errorf("%d dropped, last %d of %d, keys %d", dropped, last, published, len(latest))
	}
	for key, text := range latest {
		if !strings.HasPrefix(text, "last ") {
			t.Errorf("key %s ends with %.10q", key, text)
		}
	}
}

func TestPeople(t *testing.T) {
	p := start(t, "-user-header", "X-User")
	ada, bob := http.Header{"X-User": {"ada"}}, http.Header{"X-User": {"bob"}}
	a, b, c := p.join("/hub", ada), p.join("/hub", ada), p.join("/hub", bob)
	if resp, body := p.request("POST", "/users/ada", "application/json", strings.NewReader(`{"for":"Ada"}`)); resp.StatusCode != 200 ||
		!strings.Contains(body, `"subscribers":2`) || !strings.Contains(body, `"user":"ada"`) {
		t.Errorf("%s %s", resp.Status, body)
	}
	a.wantsMessage("@ada", 1, wire.JSON, `{"for":"Ada"}`)
	b.wantsMessage("@ada", 1, wire.JSON, `{"for":"Ada"}`)
	c.gets(`"do":"ping"`)
	if resp, body := p.request("DELETE", "/users/ada/connections?code=4001&reason=logged+out", "", nil); resp.StatusCode != 200 || !strings.Contains(body, `"closed":2`) {
		t.Errorf("%s %s", resp.Status, body)
	}
	for _, c := range []*client{a, b} {
		if _, _, err := c.Read(c.ctx()); websocket.CloseStatus(err) != 4001 || !strings.Contains(err.Error(), "logged out") {
			t.Errorf("%v, want 4001", err)
		}
	}
	c.gets(`"do":"ping"`)
	if !settles(func() bool {
		resp, _ := p.request("DELETE", "/users/ada/connections", "", nil)
		return resp.StatusCode == 404
	}) {
		t.Error("she is still there")
	}
}

// A disconnect ends the subscriptions to the topic, and the connection only if it has no other subscription.
func TestEnd(t *testing.T) {
	p := start(t)
	c, plain := p.join("/hub", nil), p.dial("/topics/a")
	c.gets(`"do":"subscribe","topic":"a"`)
	c.gets(`"do":"subscribe","topic":"b"`)
	if resp, body := p.request("DELETE", "/topics/a/subscribers?code=4001&reason=over", "", nil); resp.StatusCode != 200 || !strings.Contains(body, `"closed":2`) {
		t.Errorf("%s %s", resp.Status, body)
	}
	if e := c.event().End; e == nil || *e != (wire.End{Topic: "a", Code: 4001, Reason: "over"}) {
		t.Errorf("%+v", e)
	}
	if _, _, err := plain.Read(p.ctx()); websocket.CloseStatus(err) != 4001 {
		t.Errorf("%v, want 4001", err)
	}
	p.request("POST", "/topics/a", "text/plain", strings.NewReader("nobody gets it"))
	p.request("POST", "/topics/b", "text/plain", strings.NewReader("x"))
	c.wantsMessage("b", 1, wire.Text, "x")
	c.fails(`"do":"unsubscribe","topic":"a"`, wire.NotSubscribed, "")
	c.gets(`"do":"subscribe","topic":"a"`)
}

// Requests that arrive faster than the client reads the replies wait, and all are answered in order.
func TestPileOfRequests(t *testing.T) {
	const n = 100
	p := start(t, "-topic", "x history=100", "-max-message", "65536", "-max-pending", "1000000")
	c := p.join("/hub", nil)
	payload := `"` + strings.Repeat("x", 50_000) + `"`
	for range 10 {
		c.gets(`"do":"publish","topic":"x","data":` + payload)
	}
	go func() {
		for i := range n {
			request := fmt.Sprintf(`{"id":%d,"do":"history","topic":"x","limit":5}`, 1000+i)
			if c.Write(context.Background(), websocket.MessageText, []byte(request)) != nil {
				return // the test says why
			}
		}
	}()
	answered := 0
	for i := range n {
		r := c.event().Reply
		if r == nil || r.ID != uint64(1000+i) || r.Error != nil && r.Error.Code != wire.Unavailable {
			t.Fatalf("%+v, want reply %d", r, 1000+i)
		}
		if r.OK != nil {
			answered++
		}
	}
	if answered == 0 {
		t.Error("no history was told")
	}
}
