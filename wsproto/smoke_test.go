package wsproto_test

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/fanfare-ws/fanfare/netpoll"
	"github.com/fanfare-ws/fanfare/wsproto"
)

func TestSmoke(t *testing.T) {
	s := &wsproto.Server{Handler: &wsproto.Funcs{Message: func(c *wsproto.Conn, op wsproto.Opcode, p []byte) { c.Send(op, p) }}}
	addr, err := s.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	c, _, err := websocket.Dial(ctx, "ws://"+addr.String()+"/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	c.SetReadLimit(1<<21)
	big := make([]byte, 1<<20)
	for i := 0; i < 10; i++ {
		if err := c.Write(ctx, websocket.MessageBinary, big[:1<<(2*i)]); err != nil {
			t.Fatal(err)
		}
		_, p, err := c.Read(ctx)
		if err != nil || len(p) != 1<<(2*i) {
			t.Fatal(err, len(p))
		}
	}
	if err := c.Close(1000, "bye"); err != nil {
		t.Fatal(err)
	}
	e, _ := netpoll.New(netpoll.Options{})
	k := &wsproto.Client{Engine: e}
	got := make(chan string, 1)
	closed := make(chan error, 1)
	tg, err := wsproto.ParseTarget(ctx, "ws://"+addr.String()+"/x")
	if err != nil {
		t.Fatal(err)
	}
	k.Start(tg, netip.Addr{}, &wsproto.Funcs{
		Open:    func(c *wsproto.Conn, r *wsproto.Request) { c.SendText("hi") },
		Message: func(c *wsproto.Conn, op wsproto.Opcode, p []byte) { got <- string(p) },
		Close:   func(c *wsproto.Conn, err *wsproto.CloseError) { closed <- err },
	}, func(err error) { t.Error(err) })
	t.Log(<-got)
	if err := s.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	t.Log(<-closed)
	if err := e.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
}
