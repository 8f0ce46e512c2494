package main

import "github.com/fanfare-ws/fanfare/wsproto"

// echo sends every message back. One value serves all connections.
type echo struct{}

func (*echo) OnOpen(*wsproto.Conn, *wsproto.Request) {}

func (*echo) OnMessage(c *wsproto.Conn, op wsproto.Opcode, payload []byte) {
	if c.Send(op, payload) == wsproto.Full {
		c.Close(wsproto.TryAgainLater, "too many bytes are pending on this connection")
	}
}

func (*echo) OnClose(*wsproto.Conn, *wsproto.CloseError) {}
