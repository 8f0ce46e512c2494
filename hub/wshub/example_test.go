package wshub_test

import (
	"context"
	"fmt"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/wshub"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// member is a connection in a topic. There is one for each, so it is small.
type member struct {
	topics *hub.Hub
	sub    hub.Subscription
}

func (m *member) OnOpen(c *wsproto.Conn, r *wsproto.Request) {
	if _, err := m.topics.Subscribe("news", &m.sub, wshub.Subscriber(c), hub.SubscribeOptions{Encoding: wshub.Plain}); err != nil {
		c.Close(wsproto.TryAgainLater, err.Error())
	}
	c.SendText("welcome")
}

func (m *member) OnMessage(c *wsproto.Conn, op wsproto.Opcode, payload []byte) {
	m.sub.Publish(hub.Message{Data: payload, Kind: wshub.Kind(op), Exclude: wshub.Subscriber(c)}) // to all others
}

func (m *member) OnClose(*wsproto.Conn, *wsproto.CloseError) { m.sub.Unsubscribe() }

// A message from a client goes to all other clients; a message from the program goes to all.
func Example_broadcast() {
	server := new(wsproto.Server)
	topics := hub.New(hub.Options{Workers: wshub.Workers(server)})
	server.Accept = func(r *wsproto.Request) error {
		r.Handler = &member{topics: topics}
		return nil
	}
	addr, err := server.Listen("localhost:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = server.Shutdown(context.Background()) }()

	heard := make(chan string)
	_, err = wsproto.Dial(context.Background(), "ws://"+addr.String(), &wsproto.Funcs{
		Message: func(_ *wsproto.Conn, _ wsproto.Opcode, payload []byte) { heard <- string(payload) },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(<-heard)
	_, err = topics.Publish("news", hub.Message{Data: []byte("hello")})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(<-heard)
	// Output:
	// welcome
	// hello
}
