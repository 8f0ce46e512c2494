package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/fanfare-ws/fanfare/hub"
)

// position reads the first message with ?position=1.
func (p *program) position(c *websocket.Conn) hub.Position {
	p.t.Helper()
	var first struct{ Position hub.Position }
	typ, b, err := c.Read(p.ctx())
	if err != nil || typ != websocket.MessageText || json.Unmarshal(b, &first) != nil || first.Position.Epoch == 0 {
		p.t.Fatalf("%v %s %v", typ, b, err)
	}
	return first.Position
}

// A plain client that counts its messages can resume at its position.
func TestPlainResume(t *testing.T) {
	const n = 5000
	p := start(t, "-topic", "x history=5000")
	c := p.dial("/topics/x?position=1")
	at := p.position(c)
	p.flood("x", n)
	for broken := 0; at.Offset < n; broken++ {
		for range min(1+broken*491%900, n-int(at.Offset)) {
			at.Offset++
			p.wants(c, websocket.MessageText, fmt.Sprint(at.Offset))
		}
		_ = c.CloseNow()
		c = p.dial("/topics/x?position=1&resume=" + at.String())
		if began := p.position(c); began != at {
			t.Fatalf("began at %v, want %v", began, at)
		}
	}
}

func TestPlainHistory(t *testing.T) {
	p := start(t, "-topic", "x history=3")
	pub, first := p.dial("/topics/x"), hub.Position{}
	for i := range 5 {
		_, body := p.request("POST", "/topics/x", "text/plain", strings.NewReader(fmt.Sprint(i+1)))
		var answer struct{ Position hub.Position }
		if err := json.Unmarshal([]byte(body), &answer); err != nil || answer.Position.Offset != uint64(i+1) {
			t.Fatal(body)
		}
		if i == 0 {
			first = answer.Position
		}
	}
	for path, want := range map[string][]string{
		"/topics/x?history=2":  {"4", "5"},
		"/topics/x?history=50": {"3", "4", "5"},
		"/topics/x?history=0":  nil,
		"/topics/x?resume=" + hub.Position{Epoch: first.Epoch, Offset: 3}.String(): {"4", "5"},
		"/topics/x?resume=" + hub.Position{Epoch: first.Epoch, Offset: 5}.String(): nil,
	} {
		c := p.dial(path)
		for _, text := range want {
			p.wants(c, websocket.MessageText, text)
		}
		_ = c.CloseNow()
	}
	for at, says := range map[string]string{
		first.String(): "too old: oldest is " + hub.Position{Epoch: first.Epoch, Offset: 2}.String(),
		"1:5":          "too old: oldest is ",
		hub.Position{Epoch: first.Epoch, Offset: 6}.String(): "too old: oldest is ",
	} {
		c := p.dial("/topics/x?position=1&resume=" + at)
		if _, _, err := c.Read(p.ctx()); websocket.CloseStatus(err) != websocket.StatusCode(tooOld) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %d %s", at, err, tooOld, says)
		}
	}
	for path, says := range map[string]string{
		"/topics/x?resume=5":             "EPOCH:OFFSET",
		"/topics/x?history=-1":           "history=50",
		"/topics/x?history=many":         "history=50",
		"/topics/x?history=1&resume=1:1": "exclude each other",
		"/topics/x.%3E.y":                "before its end",
		"/topics/x*":                     "parts of their own",
	} {
		if status, body := p.refused(path); status != 400 || !strings.Contains(body, says) {
			t.Errorf("%s: %d %s, want 400 with %q", path, status, body, says)
		}
	}
	p.send(pub, "6") // nobody of those above is there to be disturbed
}

// The history of a topic outlives its last subscriber.
func TestHistoryOutlivesSubscribers(t *testing.T) {
	p := start(t, "-topic", "x history=10", "-topic", "y")
	for _, topic := range []string{"x", "y"} {
		c := p.dial("/topics/" + topic + "?position=1")
		at := p.position(c)
		p.request("POST", "/topics/"+topic, "text/plain", strings.NewReader("seen"))
		p.wants(c, websocket.MessageText, "seen")
		_ = c.CloseNow()
		if !settles(func() bool {
			resp, body := p.request("GET", "/topics/"+topic, "", nil)
			return resp.StatusCode == 404 || strings.Contains(body, `"subscribers":0`)
		}) {
			t.Fatal("it is still there")
		}
		p.request("POST", "/topics/"+topic, "text/plain", strings.NewReader("missed"))
		at.Offset++
		c = p.dial("/topics/" + topic + "?resume=" + at.String())
		if topic == "x" {
			p.wants(c, websocket.MessageText, "missed")
		} else if _, _, err := c.Read(p.ctx()); websocket.CloseStatus(err) != websocket.StatusCode(tooOld) {
			t.Errorf("%s: %v, want %d", topic, err, tooOld)
		}
	}
}
