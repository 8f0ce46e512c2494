package main

import (
	"fmt"
	"testing"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/wire"
)

// The reply to subscribe comes before all messages and has the position at which they begin.
func TestReplyComesFirst(t *testing.T) {
	p := start(t, "-topic", "x history=50")
	p.flood("x", 1<<30)
	for range 20 {
		c := p.join("/hub", nil)
		for _, how := range []string{``, `,"last":20`} {
			at := c.gets(`"do":"subscribe","topic":"x"` + how).Position
			for i := range uint64(30) {
				if m := c.message(); m.Offset != at.Offset+1+i || string(m.Payload) != fmt.Sprint(m.Offset) {
					t.Fatalf("message %d is %d %s: it began at %v", i, m.Offset, m.Payload, at)
				}
			}
			c.send(c.Conn, `{"id":77,"do":"unsubscribe","topic":"x"}`)
			for e := c.event(); e.Reply == nil || e.Reply.ID != 77; e = c.event() {
			}
		}
		_ = c.CloseNow()
	}
}

// A client that loses its connection while messages are published receives each message once.
func TestResumeIsExact(t *testing.T) {
	const n = 10_000
	p := start(t, "-topic", "x history=10000")
	c := p.join("/hub", nil)
	at := *c.gets(`"do":"subscribe","topic":"x"`).Position
	p.flood("x", n)
	for broken := 0; at.Offset < n; broken++ {
		for range 1 + broken*997%1700 {
			m := c.message()
			if at.Offset++; m.Offset != at.Offset || string(m.Payload) != fmt.Sprint(at.Offset) {
				t.Fatalf("got %d %s, want %d, after %d times that the connection broke", m.Offset, m.Payload, at.Offset, broken)
			}
			if at.Offset == n {
				return
			}
		}
		_ = c.CloseNow()
		c = p.join("/hub", nil)
		if began := c.gets(fmt.Sprintf(`"do":"subscribe","topic":"x","after":%q`, at)); *began.Position != at {
			t.Fatalf("began at %v, want %v", began.Position, at)
		}
	}
}

func TestTooOld(t *testing.T) {
	p := start(t, "-topic", "x history=2")
	c, pub := p.join("/hub", nil), p.join("/hub", nil)
	first := pub.gets(`"do":"publish","topic":"x","data":1`).Position
	for i := 2; i <= 5; i++ {
		pub.gets(fmt.Sprintf(`"do":"publish","topic":"x","data":%d`, i))
	}
	for _, do := range []string{"subscribe", "history"} {
		e := c.fails(fmt.Sprintf(`"do":%q,"topic":"x","after":%q`, do, first), wire.TooOld, "oldest")
		oldest, latest := hub.Position{Epoch: first.Epoch, Offset: 3}, hub.Position{Epoch: first.Epoch, Offset: 5}
		if *e.Oldest != oldest || *e.Latest != latest {
			t.Errorf("%+v, want %v to %v", e, oldest, latest)
		}
	}
	c.gets(fmt.Sprintf(`"do":"subscribe","topic":"x","after":"%s"`, hub.Position{Epoch: first.Epoch, Offset: 3}))
	c.wantsMessage("x", 4, wire.JSON, "4")
	c.wantsMessage("x", 5, wire.JSON, "5")
}

func TestHistoryInPages(t *testing.T) {
	p := start(t, "-topic", "x history=1000")
	c := p.join("/hub", nil)
	for i := range 250 {
		c.gets(fmt.Sprintf(`"do":"publish","topic":"x","data":%d,"key":"k"`, i+1))
	}
	if r := c.gets(`"do":"history","topic":"x"`); len(*r.Messages) != 100 || (*r.Messages)[0].Offset != 151 || r.More || r.Position.Offset != 250 {
		t.Errorf("%d messages, more: %v, position %v", len(*r.Messages), r.More, r.Position)
	}
	seen, at := uint64(0), c.gets(`"do":"history","topic":"x","last":250,"limit":1`).Position
	for at.Offset, seen = 0, 0; ; {
		r := c.gets(fmt.Sprintf(`"do":"history","topic":"x","after":%q,"limit":60`, at))
		for _, m := range *r.Messages {
			if seen++; m.Offset != seen || string(m.Payload) != fmt.Sprint(seen) || m.Key != "k" {
				t.Fatalf("%+v, want %d", m, seen)
			}
		}
		if at = r.Position; !r.More {
			break
		}
	}
	if seen != 250 || at.Offset != 250 {
		t.Errorf("%d messages, up to %v", seen, at)
	}
	if r := c.gets(`"do":"history","topic":"nothing"`); r.Position != nil || len(*r.Messages) != 0 {
		t.Errorf("%+v", r)
	}
}
