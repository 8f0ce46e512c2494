package main

import (
	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy"
	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// echo sends every message back.
type echo struct {
	*terms
	place
}

// acceptEcho accepts a client, whatever its rights are.
func (a *app) acceptEcho(r *wsproto.Request, id policy.Identity) {
	shares := a.sharedBy(r.ClientAddr())
	r.Handler = &shares.echo
	if p := placeOf(id); p.opening != nil || id.Rights.Limits() != (policy.Limits{}) {
		r.Handler = &echo{shares.terms.with(id.Rights), p}
	}
}

func (e *echo) OnOpen(c *wsproto.Conn, _ *wsproto.Request) {
	if refusal := e.open(e.app, (*echoTarget)(c)); refusal != nil {
		c.Close(closeCode(refusal), refusal.Reason)
	}
}

func (e *echo) OnMessage(c *wsproto.Conn, op wsproto.Opcode, payload []byte) {
	if over := e.admits(c, len(payload)); over.wait > 0 {
		closeFor(c, over)
		return
	}
	if c.Send(op, payload) == wsproto.Full {
		c.Close(wsproto.TryAgainLater, "too many bytes are pending on this connection")
	}
}

// OnPing counts a ping as a message.
func (e *echo) OnPing(c *wsproto.Conn, payload []byte) { e.ping(c, payload) }

func (e *echo) OnClose(*wsproto.Conn, *wsproto.CloseError) { e.leave(e.app) }

// echoTarget is a connection to /echo whose identity can end.
type echoTarget wsproto.Conn

// End is the method of policy.Target.
func (t *echoTarget) End(why policy.Reason) { t.close(reasonOf(why)) }

func (t *echoTarget) close(why hub.CloseReason) {
	(*wsproto.Conn)(t).Close(wsproto.Code(why.Code), why.Text)
}
