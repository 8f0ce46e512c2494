package servers

import (
	"net"
	"net/http"
	"sync"

	"github.com/lxzan/gws"
)

func lxzan(h gws.Event) Serve { return lxzanWith(h, &gws.ServerOption{}) }

func lxzanWith(h gws.Event, options *gws.ServerOption) Serve {
	return func(addr string, ready func(net.Addr)) error {
		up := gws.NewUpgrader(h, options)
		return serveHTTP(addr, ready, func(w http.ResponseWriter, r *http.Request) {
			c, err := up.Upgrade(w, r)
			if err != nil {
				return
			}
			go c.ReadLoop() // so that the objects of net/http for the request are collected
		})
	}
}

type gwsEcho struct{ gws.BuiltinEventHandler }

func (gwsEcho) OnMessage(c *gws.Conn, m *gws.Message) {
	defer m.Close()
	_ = c.WriteMessage(m.Opcode, m.Bytes()) // ReadLoop gets the error
}

// gwsBroadcast has the connections, each with its own queue.
type gwsBroadcast struct {
	gws.BuiltinEventHandler
	all sync.Map
}

func (g *gwsBroadcast) OnOpen(c *gws.Conn) { g.all.Store(c, nil) }

func (g *gwsBroadcast) OnClose(c *gws.Conn, _ error) { g.all.Delete(c) }

func (g *gwsBroadcast) OnMessage(_ *gws.Conn, m *gws.Message) {
	defer m.Close()
	b := gws.NewBroadcaster(m.Opcode, append([]byte(nil), m.Bytes()...))
	defer b.Close()
	g.all.Range(func(c, _ any) bool {
		_ = b.Broadcast(c.(*gws.Conn)) // OnClose gets the error
		return true
	})
}
