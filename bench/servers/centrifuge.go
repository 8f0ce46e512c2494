package servers

import (
	"context"
	"net"
	"net/http"

	"github.com/centrifugal/centrifuge"
	"github.com/gorilla/websocket"
)

const (
	// centrifugePath selects the binary protocol, and pings in ping frames, which every client answers.
	centrifugePath = "/connection/websocket?cf_protocol=protobuf&cf_ws_frame_ping_pong=true"
	// centrifugeHello is the command connect with number 1, after its length.
	centrifugeHello = "0408012200"
	centrifugeTopic = "news"

	// CentrifugoTopic is the channel to which each client of Centrifugo subscribes.
	CentrifugoTopic = centrifugeTopic
	// centrifugoSubscribe is the command subscribe with number 2 for that channel, after its length.
	centrifugoSubscribe = "0a08022a060a046e657773"
)

// centrifugal subscribes every client that connects, without a command. It publishes messages to publishPath unchanged.
func centrifugal(addr string, ready func(net.Addr)) error {
	node, err := centrifuge.New(centrifuge.Config{})
	if err != nil {
		return err
	}
	node.OnConnecting(func(context.Context, centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		return centrifuge.ConnectReply{
			Credentials:   &centrifuge.Credentials{},
			Subscriptions: map[string]centrifuge.SubscribeOptions{centrifugeTopic: {}},
		}, nil
	})
	if err := node.Run(); err != nil {
		return err
	}
	members := centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{})
	return serveHTTP(addr, ready, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != publishPath {
			members.ServeHTTP(w, r)
			return
		}
		c, err := new(websocket.Upgrader).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer c.Close()
		for {
			_, p, err := c.ReadMessage()
			if err != nil {
				return
			}
			if _, err := node.Publish(centrifugeTopic, p); err != nil {
				return
			}
		}
	})
}

const publishPath = "/publish"
