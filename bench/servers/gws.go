package servers

import (
	"net"
	"net/http"

	"github.com/lxzan/gws"
)

func lxzan(addr string, ready func(net.Addr)) error {
	up := gws.NewUpgrader(new(gwsEcho), &gws.ServerOption{})
	return serveHTTP(addr, ready, func(w http.ResponseWriter, r *http.Request) {
		c, err := up.Upgrade(w, r)
		if err != nil {
			return
		}
		go c.ReadLoop() // so that what net/http has for the request is collected
	})
}

type gwsEcho struct{ gws.BuiltinEventHandler }

func (gwsEcho) OnMessage(c *gws.Conn, m *gws.Message) {
	defer m.Close()
	_ = c.WriteMessage(m.Opcode, m.Bytes()) // ReadLoop sees why it failed
}
