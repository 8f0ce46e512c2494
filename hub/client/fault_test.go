package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/client"
	"github.com/fanfare-ws/fanfare/hub/session/sessiontest"
	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// scripted starts a server of fanfare.v1 that passes each request to answer.
func scripted(t *testing.T, accept func(*wsproto.Request) error, answer func(c *wsproto.Conn, r wire.Request)) (addr string) {
	t.Helper()
	s := &wsproto.Server{Subprotocols: []string{wire.Protocol}, Accept: accept, Handler: &wsproto.Funcs{
		Open: func(c *wsproto.Conn, _ *wsproto.Request) {
			c.SendText(`{"hello":{"protocol":"fanfare.v1","client":"1"}}`)
		},
		Message: func(c *wsproto.Conn, _ wsproto.Opcode, p []byte) {
			r, err := wire.ParseRequest(p)
			if err != nil {
				t.Error(err)
			}
			answer(c, r)
		},
	}}
	a, err := s.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Shutdown(t.Context()) })
	return a.String()
}

// The client skips and reports unreadable messages. A call with an unreadable reply fails, and
// the connection stays in use.
func TestUnreadableMessages(t *testing.T) {
	deep := strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000)
	addr := scripted(t, nil, func(c *wsproto.Conn, r wire.Request) {
		switch r.Do {
		case wire.Subscribe:
			c.SendText(`{"id":1,"ok":{"topic":"a","position":"x:1"}}`)
			for _, bad := range []string{
				`{"topic":"a","offset":2,"time":1,"data":` + deep + `}`, `{"topic":"a","offset":3}`, `{"topic":"a","offset":"4","data":1}`,
				`[1]`, `{"topic":`, `{"topic":"\ud800","offset":5,"time":1,"data":1}`, `{"topic":"a","offset":6,"time":1,"base64":"!"}`, "",
			} {
				c.SendText(bad)
			}
			c.SendBinary([]byte{0xff})
			c.SendText(`{"later":true}`) // an event of a later version: not counted
			c.SendText(`{"topic":"a","offset":7,"time":1,"data":"good","Data":"bad","DATA":1}`)
		case wire.History:
			c.SendText(`{"id":2,"ok":{"messages":[{"topic":"a","offset":1,"time":1,"data":` + deep + `}]}}`)
		case wire.Presence:
			c.SendText(`{"id":3,"ok":{"present":7}}`)
		}
	})
	told, got := make(chan error, 20), make(chan client.Message, 20)
	c := dial(t, addr, &client.Options{
		OnUnreadable: func(err error) { told <- err },
		OnClose: func(err error, _ time.Duration) {
			if err != client.ErrClosed {
				t.Errorf("the client was closed: %v", err)
			}
		},
	})
	if _, err := c.Subscribe(t.Context(), "a", nil, func(m client.Message) { got <- m }); err != nil {
		t.Fatal(err)
	}
	if m := next(t, got); string(m.Payload) != `"good"` || m.Offset != 7 {
		t.Errorf("%+v", m)
	}
	if _, err := c.History(t.Context(), "a", nil); !errors.Is(err, client.ErrUnreadable) {
		t.Error(err)
	}
	if _, err := c.Presence(t.Context(), "a"); !errors.Is(err, client.ErrUnreadable) {
		t.Error(err)
	}
	for range 11 {
		if err := next(t, told); !errors.Is(err, client.ErrUnreadable) {
			t.Error(err)
		}
	}
	if n := c.Unreadable(); n != 11 || len(got) != 0 {
		t.Errorf("%d messages were skipped, want 11; %d further messages came, want 0", n, len(got))
	}
}

// Events other than messages count towards the backlog too: the client does not read the
// connection while a callback blocks.
func TestBacklogOfOtherEvents(t *testing.T) {
	const sent = 50_000
	for what, text := range map[string]string{"unreadable": "x", "changes": "", "drops": `{"dropped":"a","messages":1}`} {
		t.Run(what, func(t *testing.T) {
			addr := scripted(t, nil, func(c *wsproto.Conn, r wire.Request) {
				c.SendText(fmt.Sprintf(`{"id":%d,"ok":{"topic":"a","position":"x:1"}}`, r.ID))
				if r.Do != wire.Subscribe {
					return
				}
				go func() {
					for i := range sent {
						p := text
						if what == "changes" {
							p = fmt.Sprintf(`{"presence":"a","joined":[{"id":"b","data":%d}]}`, i)
						}
						for c.SendText(p) == wsproto.Full {
							time.Sleep(time.Millisecond) // until the client reads again
						}
					}
				}()
			})
			var called atomic.Int64
			proceed := make(chan struct{})
			block := func() {
				called.Add(1)
				<-proceed
			}
			c := dial(t, addr, &client.Options{Backlog: 10_000, OnUnreadable: func(error) { block() }})
			_, err := c.Subscribe(t.Context(), "a", &client.SubscribeOptions{
				OnDrop: func(int64) { block() }, OnPresence: func(_, _ []wire.Person) { block() },
			}, nil)
			if err != nil {
				t.Fatal(err)
			}
			sessiontest.Eventually(t, "a call", func() bool { return called.Load() == 1 })
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			if _, err := c.Presence(ctx, "a"); err == nil {
				t.Error("the client still reads the connection")
			}
			if n := c.Unreadable(); n > 100 {
				t.Errorf("%d callbacks are waiting, want at most 100", n)
			}
			close(proceed)
			sessiontest.Eventually(t, "the other callbacks", func() bool { return called.Load() == sent })
		})
	}
}

// A client that was connected reconnects after any response of a gateway, as it may occur while
// the server is being replaced, and after a close code that complains about a message.
func TestGatewayAnswers(t *testing.T) {
	var refuse atomic.Int32
	addr := scripted(t, func(r *wsproto.Request) error {
		if status := refuse.Swap(0); status != 0 {
			return wsproto.Refuse(int(status), "no server is here")
		}
		r.Subprotocol = wire.Protocol
		return nil
	}, func(c *wsproto.Conn, r wire.Request) {
		if string(r.Data) == "1" {
			c.SendText(fmt.Sprintf(`{"id":%d,"ok":{"topic":"a"}}`, r.ID))
			return
		}
		c.Close(wsproto.InvalidFramePayload, "")
	})
	for _, status := range []int{400, 404, 421, 429, 500, 502, 503, 504} {
		refuse.Store(0)
		lost, o := make(chan error, 10), quick()
		o.OnClose = func(err error, _ time.Duration) { lost <- err }
		c := dial(t, addr, o)
		refuse.Store(int32(status))
		if _, err := c.Publish(t.Context(), "a", 0, &client.PublishOptions{Retry: true}); !errors.Is(err, client.ErrLost) {
			t.Errorf("a message that the server rejects every time: %v, want ErrLost", err)
		}
		next(t, lost)
		var he *wsproto.HandshakeError
		if err := next(t, lost); !errors.As(err, &he) || he.Status != status {
			t.Errorf("%v, want %d", err, status)
		}
		if _, err := c.Publish(t.Context(), "a", 1, nil); err != nil {
			t.Errorf("%d: the client does not reconnect: %v", status, err)
		}
		c.Close()
	}
	o := quick()
	c := dial(t, addr, o)
	refuse.Store(http.StatusForbidden)
	_, _ = c.Publish(t.Context(), "a", 0, nil)
	select {
	case <-c.Done():
	case <-time.After(sessiontest.Timeout):
		t.Error("the client is not closed after 403")
	}
}

// A message at the server's limit, twice as long in its envelope, reaches subscribers and is in the
// history.
func TestLargestMessage(t *testing.T) {
	s := sessiontest.Serve(t, kept(hub.History{Messages: 10, Bytes: 64 << 20}))
	c := dial(t, s.Addr, nil)
	got := make(chan client.Message, 1)
	if _, err := c.Subscribe(t.Context(), "a", nil, func(m client.Message) { got <- m }); err != nil {
		t.Fatal(err)
	}
	largest := strings.Repeat(`"`, 1<<20)
	if _, err := s.Hub.Publish("a", hub.Message{Data: []byte(largest)}); err != nil {
		t.Fatal(err)
	}
	if m := next(t, got); string(m.Payload) != largest {
		t.Errorf("received %d bytes, want %d", len(m.Payload), len(largest))
	}
	h, err := c.History(t.Context(), "a", nil)
	if err != nil || len(h.Messages) != 1 || string(h.Messages[0].Payload) != largest {
		t.Errorf("%d messages, %v", len(h.Messages), err)
	}
	if n := wire.MaxEvent(len(largest)); n < 2*len(largest)+300<<10 {
		t.Errorf("MaxEvent is %d", n)
	}
}

// A message that was lost long ago is not sent again: the server may have forgotten its key, and would publish it twice.
func TestRetryEnds(t *testing.T) {
	requests := make(chan wire.Request, 10)
	addr := scripted(t, func(r *wsproto.Request) error {
		r.Subprotocol = wire.Protocol
		return nil
	}, func(c *wsproto.Conn, r wire.Request) {
		requests <- r
		c.Close(wsproto.GoingAway, "")
	})
	clock := client.NewFakeClock()
	closed := make(chan error, 10)
	o := clock.Use(quick())
	o.OnClose = func(err error, _ time.Duration) { closed <- err }
	c := dial(t, addr, o)
	result := make(chan error, 1)
	go func() {
		_, err := c.Publish(t.Context(), "a", 1, &client.PublishOptions{Retry: true})
		result <- err
	}()
	first := next(t, requests)
	next(t, closed)
	clock.Advance(client.RetryFor - time.Second)
	again := next(t, requests)
	if first.IdempotencyKey == "" || again.IdempotencyKey != first.IdempotencyKey {
		t.Errorf("the keys are %q and %q", first.IdempotencyKey, again.IdempotencyKey)
	}
	next(t, closed)
	clock.Advance(2 * time.Second)
	if err := next(t, result); !errors.Is(err, client.ErrLost) || len(requests) > 0 {
		t.Errorf("%v; %d further requests", err, len(requests))
	}
}
