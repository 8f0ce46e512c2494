package servers

import (
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/antlabs/greatws"
)

// great has the settings of the example in the README of greatws, except the read timeout of 5 s, which would close connections
// at rest.
func great(h greatws.Callback) Serve {
	return func(addr string, ready func(net.Addr)) error {
		loops, err := greatws.NewMultiEventLoop(greatws.WithEventLoops(0), greatws.WithMaxEventNum(256), greatws.WithLogLevel(slog.LevelError))
		if err != nil {
			return err
		}
		loops.Start()
		up := greatws.NewUpgrade(greatws.WithServerReplyPing(), greatws.WithServerIgnorePong(),
			greatws.WithServerCallback(h), greatws.WithServerMultiEventLoop(loops))
		return serveHTTP(addr, ready, func(w http.ResponseWriter, r *http.Request) {
			_, _ = up.Upgrade(w, r) // the client sees the error
		})
	}
}

type greatEcho struct{ greatws.DefCallback }

func (*greatEcho) OnMessage(c *greatws.Conn, op greatws.Opcode, p []byte) {
	_ = c.WriteTimeout(op, p, 3*time.Second) // OnClose gets the error
}

// greatBroadcast writes to each connection. That does not block: output that a socket does not accept waits for its loop.
type greatBroadcast struct{ all sync.Map }

func (g *greatBroadcast) OnOpen(c *greatws.Conn) { g.all.Store(c, nil) }

func (g *greatBroadcast) OnClose(c *greatws.Conn, _ error) { g.all.Delete(c) }

func (g *greatBroadcast) OnMessage(_ *greatws.Conn, op greatws.Opcode, p []byte) {
	g.all.Range(func(c, _ any) bool {
		_ = c.(*greatws.Conn).WriteMessage(op, p) // OnClose gets the error
		return true
	})
}
