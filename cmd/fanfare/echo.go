package main

import (
	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// echo sends every message back. It is the visitor itself, so that it takes no memory.
type echo visitor

// acceptEcho accepts a client whose identity allows anything at all.
func (a *app) acceptEcho(r *wsproto.Request, id policy.Identity) error {
	for do := policy.Read; do <= policy.Manage; do++ {
		if id.Rights.Any(do) {
			r.Handler = (*echo)(a.visitor(r, id))
			return nil
		}
	}
	return a.access.Authorize(id.Rights, policy.Read, "").Handshake()
}

func (*echo) OnOpen(*wsproto.Conn, *wsproto.Request) {}

func (e *echo) OnMessage(c *wsproto.Conn, op wsproto.Opcode, payload []byte) {
	if over := e.app.rates.conn(c, e.rate, len(payload)); over.wait > 0 {
		closeFor(c, over)
		return
	}
	if c.Send(op, payload) == wsproto.Full {
		c.Close(wsproto.TryAgainLater, "too many bytes are pending on this connection")
	}
}

func (*echo) OnClose(*wsproto.Conn, *wsproto.CloseError) {}
