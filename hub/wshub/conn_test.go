package wshub_test

import (
	"bufio"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/wshub"
	"github.com/fanfare-ws/fanfare/netpoll"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// Connections get messages in bursts. Each connection gets every message in order, once, also if
// a member subscribes it, or if it does not read for a while.
func TestFanOutOnSockets(t *testing.T) {
	const conns, publishers, messages, size = 100, 3, 400, 2000
	var h *hub.Hub
	var subscribed atomic.Int64
	s := &wsproto.Server{Logger: slog.New(slog.DiscardHandler), Engine: netpoll.Options{MaxPending: 64 << 10}}
	s.Handler = &wsproto.Funcs{
		Open: func(c *wsproto.Conn, _ *wsproto.Request) {
			to := hub.Subscriber(wshub.Subscriber(c))
			if subscribed.Load()%2 == 0 {
				m, err := h.NewMember(wshub.Subscriber(c), hub.Identity{}, hub.SubscribeOptions{Encoding: wshub.Plain})
				if err != nil {
					t.Error(err)
				}
				to = m
			}
			sub := new(hub.Subscription)
			if _, err := h.Subscribe("all", sub, to, hub.SubscribeOptions{Encoding: wshub.Plain}); err != nil {
				t.Error(err)
			}
			c.SetValue(sub)
			subscribed.Add(1)
		},
		Close: func(c *wsproto.Conn, _ *wsproto.CloseError) { c.Value().(*hub.Subscription).Unsubscribe() },
	}
	h = keepingAll(s)
	addr := listen(t, s, h)
	readers := make([]*bufio.Reader, conns)
	for i := range readers {
		_, readers[i] = dialMember(t, addr)
	}
	waitFor(t, func() bool { return subscribed.Load() == conns })
	published := make(chan struct{})
	var writing, reading sync.WaitGroup
	for p := range publishers {
		writing.Go(func() {
			for n := range messages {
				if _, err := h.Publish("all", numbered(p, n, size)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i, r := range readers {
		reading.Go(func() {
			if i%10 == 0 { // has far more waiting than may be pending
				<-published
			}
			if err := readNumbered(r, publishers, messages, size); err != nil {
				t.Errorf("connection %d: %v", i, err)
			}
		})
	}
	writing.Wait()
	waitFor(t, func() bool { return s.Stats().Queued > 0 }) // a connection has fallen behind
	close(published)
	reading.Wait()
	const want = conns * publishers * messages // counted a moment after they are read, perhaps
	waitFor(t, func() bool { return h.Stats().Delivered == want && s.Stats().MessagesOut == want })
}
