package hub

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

	"github.com/fanfare-ws/fanfare/netpoll"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// A client of many topics that does not read for a while, over a socket, then gets all
// of each in order, although far less than that may be pending at a time.
func TestMemberOnSocket(t *testing.T) {
	const topics, messages = 20, 150
	var h *Hub
	members := make(chan *Member, 1)
	s := &wsproto.Server{Logger: slog.New(slog.DiscardHandler), Engine: netpoll.Options{MaxPending: 64 << 10}}
	s.Handler = &wsproto.Funcs{
		Open: func(c *wsproto.Conn, _ *wsproto.Request) {
			m, err := h.NewMember(c, Identity{}, SubscribeOptions{})
			if err != nil {
				t.Error(err)
			}
			c.SetValue(m)
			members <- m
		},
		Close: func(c *wsproto.Conn, _ *wsproto.CloseError) { c.Value().(*Member).Leave() },
	}
	h = New(Options{Server: s, Topic: func(string) *TopicOptions { return &TopicOptions{Limit: Limit{Bytes: 1 << 30}} }})
	addr, err := s.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	client, r := dialMember(t, addr.String())
	m := <-members
	for k := range topics {
		subscribe(t, m, fmt.Sprint("t", k), SubscribeOptions{Paused: true}).Resume()
	}
	for n := range messages {
		for k := range topics {
			b := make([]byte, 4<<10)
			binary.BigEndian.PutUint32(b, uint32(k))
			binary.BigEndian.PutUint32(b[4:], uint32(n))
			if _, err := h.Publish(fmt.Sprint("t", k), Message{Prepared: wsproto.Prepare(wsproto.Binary, b)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	var next [topics]uint32
	frame := make([]byte, 4+4<<10)
	for i := range topics * messages {
		if _, err := io.ReadFull(r, frame); err != nil {
			t.Fatalf("after %d messages: %v", i, err)
		}
		k, n := binary.BigEndian.Uint32(frame[4:]), binary.BigEndian.Uint32(frame[8:])
		if frame[0] != 0x82 || n != next[k] {
			t.Fatalf("topic %d: got %d, want %d", k, n, next[k])
		}
		next[k]++
	}
	client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	if n := len(h.Topics()); n != 0 {
		t.Errorf("%d topics are left", n)
	}
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
