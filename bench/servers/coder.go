package servers

import (
	"net"
	"net/http"

	"github.com/coder/websocket"
)

func coder(addr string, ready func(net.Addr)) error {
	return coderServe(addr, ready, func(r *http.Request, c *websocket.Conn) {
		for {
			op, p, err := c.Read(r.Context())
			if err != nil || c.Write(r.Context(), op, p) != nil {
				return
			}
		}
	})
}

func coderServe(addr string, ready func(net.Addr), serve func(*http.Request, *websocket.Conn)) error {
	return serveHTTP(addr, ready, func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		c.SetReadLimit(1 << 20) // the default is 32 KiB
		serve(r, c)
	})
}

// coderMessage is a message in a channel. This library has no prepared messages.
type coderMessage struct {
	op websocket.MessageType
	p  []byte
}

func coderBroadcast(addr string, ready func(net.Addr)) error {
	all := new(room[coderMessage])
	return coderServe(addr, ready, func(r *http.Request, c *websocket.Conn) {
		write := func(m coderMessage) error { return c.Write(r.Context(), m.op, m.p) }
		cut := func() { _ = c.Close(websocket.StatusPolicyViolation, "too slow") }
		defer all.join(write, cut)()
		for {
			op, p, err := c.Read(r.Context())
			if err != nil {
				return
			}
			all.publish(coderMessage{op, p})
		}
	})
}
