package servers

import (
	"net"
	"net/http"
	"sync"

	"github.com/gorilla/websocket"
)

// gorilla uses buffers of size bytes and a pool of write buffers, as its documentation advises for many connections with few
// writes. With size 0 it uses the zero Upgrader, which keeps the buffers of net/http.
func gorilla(size int, serve httpServe) Serve {
	up := gorillaUpgrader(size)
	return func(addr string, ready func(net.Addr)) error {
		return serve(addr, ready, func(w http.ResponseWriter, r *http.Request) {
			c, err := up.Upgrade(w, r, nil)
			if err != nil {
				return
			}
			defer c.Close()
			for {
				op, p, err := c.ReadMessage()
				if err != nil || c.WriteMessage(op, p) != nil {
					return
				}
			}
		})
	}
}

func gorillaUpgrader(size int) *websocket.Upgrader {
	up := &websocket.Upgrader{ReadBufferSize: size, WriteBufferSize: size}
	if size > 0 {
		up.WriteBufferPool = new(sync.Pool)
	}
	return up
}

func gorillaBroadcast(serve httpServe) Serve {
	return func(addr string, ready func(net.Addr)) error {
		up, all := gorillaUpgrader(1024), new(room[*websocket.PreparedMessage])
		return serve(addr, ready, func(w http.ResponseWriter, r *http.Request) {
			c, err := up.Upgrade(w, r, nil)
			if err != nil {
				return
			}
			defer c.Close()
			defer all.join(c.WritePreparedMessage, func() { c.Close() })()
			for {
				op, p, err := c.ReadMessage()
				if err != nil {
					return
				}
				m, err := websocket.NewPreparedMessage(op, p)
				if err != nil {
					return
				}
				all.publish(m)
			}
		})
	}
}
