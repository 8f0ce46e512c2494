package main

import (
	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy"
	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// echo sends every message back. It has no state for each connection: a connection's tag is its policy.Handle.
type echo terms

// acceptEcho accepts a client, whatever its rights are.
func (a *app) acceptEcho(r *wsproto.Request, id policy.Identity) {
	r.Handler = (*echo)(a.sharedBy(r.ClientAddr()).termsOf(id.Rights))
	if p := placeOf(id); p.opening != nil {
		r.Value = p.opening
	}
}

func (e *echo) OnOpen(c *wsproto.Conn, r *wsproto.Request) {
	id, _ := r.Value.(*policy.Identity)
	p := place{opening: id}
	if refusal := p.open(e.app, (*echoTarget)(c), fromClient(r.ClientAddr())); refusal != nil {
		c.Close(closeCode(refusal), refusal.Reason)
	}
	c.SetTag(uint32(p.handle))
}

func (e *echo) OnMessage(c *wsproto.Conn, op wsproto.Opcode, payload []byte) {
	if over := (*terms)(e).admits(c, len(payload)); over.wait > 0 {
		closeFor(c, over)
		return
	}
	if c.Send(op, payload) == wsproto.Full {
		c.Close(wsproto.TryAgainLater, "too many bytes are pending on this connection")
	}
}

// OnPing counts a ping as a message.
func (e *echo) OnPing(c *wsproto.Conn, payload []byte) { (*terms)(e).ping(c, payload) }

func (e *echo) OnClose(c *wsproto.Conn, _ *wsproto.CloseError) {
	p := place{handle: policy.Handle(c.Tag())}
	p.leave(e.app)
}

// echoTarget is a connection to /echo whose identity can end.
type echoTarget wsproto.Conn

// End is the method of policy.Target.
func (t *echoTarget) End(why policy.Reason) { t.close(reasonOf(why)) }

func (t *echoTarget) close(why hub.CloseReason) {
	(*wsproto.Conn)(t).Close(wsproto.Code(why.Code), why.Text)
}
