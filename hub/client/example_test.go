package client_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/client"
	"github.com/fanfare-ws/fanfare/hub/session"
	"github.com/fanfare-ws/fanfare/hub/wshub"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// A server with a hub, and a client that subscribes and publishes.
func Example() {
	server := new(wsproto.Server)
	topics := hub.New(hub.Options{
		Workers: wshub.Workers(server),
		Topic:   func(string) *hub.TopicOptions { return &hub.TopicOptions{History: hub.History{Messages: 100}} },
	})
	server.Accept = session.New(topics, session.Options{}).Accept
	addr, err := server.Listen("localhost:0")
	if err != nil {
		log.Fatal(err)
	}

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := client.Dial(ctx, "ws://"+addr.String()+"/hub", nil)
	if err != nil {
		log.Fatal(err)
	}
	done := make(chan struct{})
	_, err = c.Subscribe(ctx, "news", &client.SubscribeOptions{
		Last:  10,
		OnGap: func(g client.Gap) { log.Printf("missed messages: %+v", g) },
	}, func(m client.Message) {
		fmt.Printf("%s %d: %s\n", m.Topic, m.Offset, m.Payload)
		close(done)
	})
	if err != nil {
		log.Fatal(err)
	}
	_, err = c.Publish(ctx, "news", map[string]string{"text": "hello"}, &client.PublishOptions{Echo: true})
	if err != nil {
		log.Fatal(err)
	}
	<-done
	c.Close()
	if err := server.Shutdown(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// news 1: {"text":"hello"}
}
