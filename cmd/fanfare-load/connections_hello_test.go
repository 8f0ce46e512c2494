package main

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/coder/websocket"
)

// TestHello has a server that needs -hello and wraps the payloads that it broadcasts, two in a message if possible.
func TestHello(t *testing.T) {
	checkLeaks(t)
	var mu sync.Mutex
	var members []*websocket.Conn
	var held []byte
	url := theirs(t, func(ctx context.Context, r *http.Request, c *websocket.Conn) {
		if r.URL.Path != "/publish" {
			if _, p, err := c.Read(ctx); err != nil || string(p) != "\x01\xab" {
				t.Errorf("hello is %q, %v", p, err)
				return
			}
			mu.Lock()
			members = append(members, c)
			mu.Unlock()
			_ = c.Write(ctx, websocket.MessageText, []byte("welcome"))
		}
		for n := 0; ; n++ {
			_, p, err := c.Read(ctx)
			if err != nil {
				return
			}
			mu.Lock()
			// The probe alone, then two and two, until the last, the ninth.
			if held = append(append(held, "<<"...), p...); n%2 == 0 {
				for _, m := range slices.Clone(members) {
					_ = m.Write(ctx, websocket.MessageBinary, append(held, ">>"...))
				}
				held = nil
			}
			mu.Unlock()
		}
	})
	r := runProgram(t, "broadcast", "-json", "-q", "-n", "5", "-count", "8", "-rate", "1000", "-hello", "01ab", "-publish-url", url+"publish", url)
	r.wantOK(t)
	want(t, "delivered", r.report.Messages.Received, 40)
}

func TestHelloUnanswered(t *testing.T) {
	checkLeaks(t)
	url := theirs(t, func(ctx context.Context, _ *http.Request, c *websocket.Conn) { _, _, _ = c.Read(ctx) })
	r := runProgram(t, "idle", "-json", "-q", "-n", "3", "-hold", "1ms", "-hello", "01", url)
	r.wantFault(t, "closed without an answer to -hello", 3)
}

func TestWithin(t *testing.T) {
	for _, text := range []bool{false, true} {
		w := newWire(7, 100, 1, text)
		p := make([]byte, 100)
		w.encode(p, stamp{seq: 3, kind: regular})
		for around, whole := range map[string]int{"": 1, "x": 1, "{\"data\":": 2} {
			m := []byte(around)
			for range whole {
				m = append(append(m, p...), around...)
			}
			got := 0
			for q := range w.within(append(m, p[:99]...)) {
				if s, ok := w.decode(q); !ok || s.seq != 3 {
					t.Errorf("%q: %+v, %v", around, s, ok)
				}
				got++
			}
			want(t, "payloads", got, whole)
		}
	}
}
