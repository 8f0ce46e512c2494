package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/fanfare-ws/fanfare/wsproto"
)

// hello is the value of -hello: the first message of each connection, for servers with a protocol on top of WebSocket.
type hello []byte

func (h *hello) String() string { return hex.EncodeToString(*h) }

func (h *hello) Set(s string) error {
	p, err := hex.DecodeString(s)
	if err != nil || len(p) == 0 || len(p) > 125 {
		return fmt.Errorf("%q is not a message of 1 to 125 bytes in hexadecimal digits", s)
	}
	*h = p
	return nil
}

// greeter sends -hello. When the server answers, it passes the connection to h.
type greeter struct {
	wsproto.Handler // h
	load            *load
	open            bool
}

// greeting returns h, behind a greeter if there is a -hello.
func (l *load) greeting(h wsproto.Handler) wsproto.Handler {
	if len(l.opt.hello) == 0 {
		return h
	}
	return &greeter{Handler: h, load: l}
}

func (g *greeter) OnOpen(c *wsproto.Conn, _ *wsproto.Request) {
	c.SetReadDeadline(time.Now().Add(g.load.opt.timeout))
	c.Send(wsproto.Binary, g.load.opt.hello)
}

func (g *greeter) OnMessage(c *wsproto.Conn, op wsproto.Opcode, p []byte) {
	if g.open {
		g.Handler.OnMessage(c, op, p)
		return
	}
	g.open = true
	c.SetReadDeadline(time.Time{})
	g.Handler.OnOpen(c, new(wsproto.Request))
}

// OnReadEnd makes greeter a wsproto.ReadHandler, because a subscriber is one.
func (g *greeter) OnReadEnd(c *wsproto.Conn) {
	if h, ok := g.Handler.(wsproto.ReadHandler); ok {
		h.OnReadEnd(c)
	}
}

func (g *greeter) OnClose(c *wsproto.Conn, err *wsproto.CloseError) {
	if g.open {
		g.Handler.OnClose(c, err)
		return
	}
	g.load.conns.refused(errors.Join(errUnanswered, err))
}

var errUnanswered = errors.New("the server did not answer -hello")
