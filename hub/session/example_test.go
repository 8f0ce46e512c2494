package session_test

import (
	"context"
	"fmt"
	"time"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/client"
	"github.com/fanfare-ws/fanfare/hub/session"
	"github.com/fanfare-ws/fanfare/hub/wshub"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// A server that speaks fanfare.v1.
func Example() {
	server := new(wsproto.Server)
	h := hub.New(hub.Options{Workers: wshub.Workers(server)})
	server.Accept = session.New(h, session.Options{}).Accept

	addr, err := server.Listen("localhost:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	defer func() { _ = server.Shutdown(ctx) }()
	c, err := client.Dial(ctx, "ws://"+addr.String()+"/hub", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	receipt, err := c.Publish(ctx, "news", map[string]string{"text": "hello"}, nil)
	fmt.Println(receipt.Position.Offset, err)
	c.Close()
	// Output: 1 <nil>
}
