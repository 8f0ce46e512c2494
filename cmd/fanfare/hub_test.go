package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/wire"
)

// client speaks fanfare.v1.
type client struct {
	*program
	*websocket.Conn
	hello wire.Hello
	id    uint64
}

// join connects to /hub, and reads the hello.
func (p *program) join(path string, header http.Header) *client {
	p.t.Helper()
	c, _, err := websocket.Dial(p.ctx(), "ws://"+p.addr+path, &websocket.DialOptions{Subprotocols: []string{wire.Protocol}, HTTPHeader: header})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = c.CloseNow() })
	c.SetReadLimit(16 << 20)
	if got := c.Subprotocol(); got != wire.Protocol {
		p.t.Errorf("the subprotocol is %q", got)
	}
	h := &client{program: p, Conn: c}
	if e := h.event(); e.Hello == nil || e.Hello.Protocol != wire.Protocol || e.Hello.Client == "" {
		p.t.Fatalf("no hello: %+v", e)
	} else {
		h.hello = *e.Hello
	}
	return h
}

func (c *client) event() wire.Event {
	c.t.Helper()
	typ, b, err := c.Read(c.ctx())
	if err != nil || typ != websocket.MessageText {
		c.t.Fatalf("%v %v", typ, err)
	}
	e, err := wire.ParseEvent(b)
	if err != nil {
		c.t.Fatalf("%s: %v", b, err)
	}
	return e
}

// ask sends a request, without its id, and returns the reply, which has to be the next
// that comes.
func (c *client) ask(request string) *wire.Reply {
	c.t.Helper()
	c.id++
	c.send(c.Conn, fmt.Sprintf(`{"id":%d,%s}`, c.id, request))
	e := c.event()
	if e.Reply == nil || e.Reply.ID != c.id {
		c.t.Fatalf("%s: %+v is no reply to it", request, e)
	}
	return e.Reply
}

// gets asks for what has to succeed.
func (c *client) gets(request string) *wire.Result {
	c.t.Helper()
	r := c.ask(request)
	if r.OK == nil {
		c.t.Fatalf("%s: %v", request, r.Error)
	}
	return r.OK
}

// fails asks for what has to fail.
func (c *client) fails(request, code, says string) *wire.Error {
	c.t.Helper()
	r := c.ask(request)
	if r.Error == nil || r.Error.Code != code || !strings.Contains(r.Error.Message, says) {
		c.t.Fatalf("%s: %+v %+v, want %s with %q", request, r.OK, r.Error, code, says)
	}
	return r.Error
}

// message reads a message, which has to come next.
func (c *client) message() *wire.Message {
	c.t.Helper()
	e := c.event()
	if e.Message == nil {
		c.t.Fatalf("%+v is no message", e)
	}
	return e.Message
}

func (c *client) wantsMessage(topic string, offset uint64, kind wire.Kind, payload string) {
	c.t.Helper()
	if m := c.message(); m.Topic != topic || m.Offset != offset || m.Kind != kind || string(m.Payload) != payload || m.Time == 0 {
		c.t.Fatalf("got %+v %s, want %d in %s: %s", m, m.Payload, offset, topic, payload)
	}
}

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

// What comes over the wire is what the package's documentation shows.
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

// like reports whether s is as pattern says, in which * stands for anything.
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
