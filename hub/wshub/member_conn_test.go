package wshub_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/wshub"
	"github.com/fanfare-ws/fanfare/netpoll"
	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// A client of many topics that does not read for a while, over a socket, then gets all messages
// of each topic in order, although far less than that may be pending at a time.
func TestMemberOnSocket(t *testing.T) {
	const topics, messages = 20, 150
	var h *hub.Hub
	members := make(chan *hub.Member, 1)
	s := &wsproto.Server{Logger: slog.New(slog.DiscardHandler), Engine: netpoll.Options{MaxPending: 64 << 10}}
	s.Handler = &wsproto.Funcs{
		Open: func(c *wsproto.Conn, _ *wsproto.Request) {
			m, err := h.NewMember(wshub.Subscriber(c), hub.Identity{}, hub.SubscribeOptions{Encoding: wshub.Plain})
			if err != nil {
				t.Error(err)
			}
			c.SetValue(m)
			members <- m
		},
		Close: func(c *wsproto.Conn, _ *wsproto.CloseError) { c.Value().(*hub.Member).Leave() },
	}
	h = keepingAll(s)
	addr := listen(t, s, h)
	_, r := dialMember(t, addr)
	m := <-members
	for k := range topics {
		s, _, err := m.Subscribe(fmt.Sprint("t", k), hub.SubscribeOptions{Encoding: wshub.Plain, Paused: true})
		if err != nil {
			t.Fatal(err)
		}
		s.Resume()
	}
	for n := range messages {
		for k := range topics {
			if _, err := h.Publish(fmt.Sprint("t", k), numbered(k, n, 4<<10)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := readNumbered(r, topics, messages, 4<<10); err != nil {
		t.Fatal(err)
	}
}

// keepingAll returns a hub on s whose topics drop nothing.
func keepingAll(s *wsproto.Server) *hub.Hub {
	return hub.New(hub.Options{Workers: wshub.Workers(s), Topic: func(string) *hub.TopicOptions { return &hub.TopicOptions{Limit: hub.Limit{Bytes: 1 << 30}} }})
}

// listen starts s. When the test ends, nothing of s or h may be left.
func listen(t *testing.T, s *wsproto.Server, h *hub.Hub) (addr string) {
	t.Helper()
	a, err := s.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // after the clients have closed
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if n := len(h.Topics()); n != 0 {
			t.Errorf("%d topics are left", n)
		}
	})
	return a.String()
}

// numbered returns message n of a sequence, with a payload of size bytes.
func numbered(sequence, n, size int) hub.Message {
	b := make([]byte, size)
	binary.BigEndian.PutUint32(b, uint32(sequence))
	binary.BigEndian.PutUint32(b[4:], uint32(n))
	return hub.Message{Kind: hub.Binary, Data: b}
}

// readNumbered reads n messages of each sequence, which must be in order.
func readNumbered(r io.Reader, sequences, messages, size int) error {
	next := make([]uint32, sequences)
	frame := make([]byte, 4+size)
	for i := range sequences * messages {
		if _, err := io.ReadFull(r, frame); err != nil {
			return fmt.Errorf("after %d messages: %w", i, err)
		}
		k, n := binary.BigEndian.Uint32(frame[4:]), binary.BigEndian.Uint32(frame[8:])
		if frame[0] != 0x82 || n != next[k] {
			return fmt.Errorf("sequence %d: got %d, want %d", k, n, next[k])
		}
		next[k]++
	}
	return nil
}

// dialMember returns a connection after its handshake.
func dialMember(t *testing.T, addr string) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(60 * time.Second))
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
	r := bufio.NewReaderSize(c, 64<<10)
	a, err := http.ReadResponse(r, nil)
	if err != nil || a.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(a, err)
	}
	return c, r
}

func waitFor(t *testing.T, cond func() bool) {
	t.Helper()
	if !netpolltest.Settles(30*time.Second, cond) {
		t.Fatal("it did not happen")
	}
}
