package hub

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// Connections get what is published in bursts: each everything, in order, once, those
// that are subscribed by a member too, and those that do not read for a while.
func TestWalkOnSockets(t *testing.T) {
	const conns, publishers, messages, size, frame = 100, 3, 400, 2000, 4 + 2000
	var h *Hub
	var subscribed atomic.Int64
	s := &wsproto.Server{Logger: slog.New(slog.DiscardHandler), Engine: netpoll.Options{MaxPending: 64 << 10}}
	s.Handler = &wsproto.Funcs{
		Open: func(c *wsproto.Conn, _ *wsproto.Request) {
			to := Subscriber(c)
			if subscribed.Load()%2 == 0 {
				m, err := h.NewMember(c, Identity{}, SubscribeOptions{})
				if err != nil {
					t.Error(err)
				}
				to = m
			}
			sub := new(Subscription)
			if _, err := h.Subscribe("all", sub, to, SubscribeOptions{}); err != nil {
				t.Error(err)
			}
			c.SetValue(sub)
			subscribed.Add(1)
		},
		Close: func(c *wsproto.Conn, _ *wsproto.CloseError) { c.Value().(*Subscription).Unsubscribe() },
	}
	h = New(Options{Server: s, Topic: func(string) *TopicOptions { return &TopicOptions{Limit: Limit{Bytes: 1 << 30}} }})
	addr, err := s.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var clients []net.Conn
	var readers []*bufio.Reader
	for range conns {
		c, r := dialMember(t, addr.String())
		clients, readers = append(clients, c), append(readers, r)
	}
	waitFor(t, func() bool { return subscribed.Load() == conns })
	published := make(chan struct{})
	var writing, reading sync.WaitGroup
	for p := range publishers {
		writing.Go(func() {
			for n := range messages {
				b := make([]byte, size)
				binary.BigEndian.PutUint32(b, uint32(p))
				binary.BigEndian.PutUint32(b[4:], uint32(n))
				if _, err := h.Publish("all", Message{Prepared: wsproto.Prepare(wsproto.Binary, b)}); err != nil {
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
			var next [publishers]uint32
			b := make([]byte, frame)
			for k := range publishers * messages {
				if _, err := io.ReadFull(r, b); err != nil {
					t.Errorf("connection %d after %d messages: %v", i, k, err)
					return
				}
				p, n := binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
				if b[0] != 0x82 || n != next[p] {
					t.Errorf("connection %d: got %d of publisher %d, want %d", i, n, p, next[p])
					return
				}
				next[p]++
			}
		})
	}
	writing.Wait()
	waitFor(t, func() bool { return s.Stats().Queued > 0 }) // somebody has fallen behind
	close(published)
	reading.Wait()
	const want = conns * publishers * messages // counted a moment after they are read, perhaps
	waitFor(t, func() bool { return h.Stats().Delivered == want && s.Stats().MessagesOut == want })
	for _, c := range clients {
		c.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	if n := len(h.Topics()); n != 0 {
		t.Errorf("%d topics are left", n)
	}
}
