package servers

import (
	"net"
	"net/http"

	"github.com/coder/websocket"
)

func coder(addr string, ready func(net.Addr)) error {
	return serveHTTP(addr, ready, func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		for {
			op, p, err := c.Read(r.Context())
			if err != nil || c.Write(r.Context(), op, p) != nil {
				return
			}
		}
	})
}
