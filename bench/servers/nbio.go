package servers

import (
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/lesismal/nbio/logging"
	"github.com/lesismal/nbio/nbhttp"
	"github.com/lesismal/nbio/nbhttp/websocket"
)

// nonBlocking is nbio's engine with pollers for all connections. The payload of a message returns to a pool when the handler
// returns, as in its benchmark. The pending output of a connection is bounded as in its README.
func nonBlocking(upgrader func() *websocket.Upgrader) Serve {
	return func(addr string, ready func(net.Addr)) error {
		up := upgrader()
		up.KeepaliveTime = time.Hour        // instead of two minutes: a connection at rest sends nothing, and nbio sends no pings
		logging.SetLevel(logging.LevelNone) // it would be the first line of output
		l, err := net.Listen("tcp", addr)
		if err != nil {
			return err
		}
		e := nbhttp.NewEngine(nbhttp.Config{
			Network:                 "tcp",
			Addrs:                   []string{addr},
			Listen:                  func(string, string) (net.Listener, error) { return l, nil },
			IOMod:                   nbhttp.IOModNonBlocking,
			MaxLoad:                 1_000_000,
			MaxWriteBufferSize:      6 << 20,
			ReleaseWebsocketPayload: true,
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = up.Upgrade(w, r, nil) // Upgrade has answered with the error
			}),
		})
		if err := e.Start(); err != nil {
			return err
		}
		ready(l.Addr())
		select {}
	}
}

func nbioEcho() *websocket.Upgrader {
	up := websocket.NewUpgrader()
	up.OnMessage(func(c *websocket.Conn, op websocket.MessageType, p []byte) {
		_ = c.WriteMessage(op, p) // OnClose would get the error
	})
	return up
}

// nbioBroadcast writes to each connection. That does not block: output that a socket does not accept waits for its poller.
func nbioBroadcast() *websocket.Upgrader {
	var all sync.Map
	up := websocket.NewUpgrader()
	up.OnOpen(func(c *websocket.Conn) { all.Store(c, nil) })
	up.OnClose(func(c *websocket.Conn, _ error) { all.Delete(c) })
	up.OnMessage(func(_ *websocket.Conn, op websocket.MessageType, p []byte) {
		all.Range(func(c, _ any) bool {
			_ = c.(*websocket.Conn).WriteMessage(op, p)
			return true
		})
	})
	return up
}
