package servers

import (
	"net"

	"github.com/fanfare-ws/fanfare/wsproto"
)

func fanfare(addr string, ready func(net.Addr)) error {
	s := &wsproto.Server{Handler: &wsproto.Funcs{
		Message: func(c *wsproto.Conn, op wsproto.Opcode, p []byte) {
			if c.Send(op, p) == wsproto.Full {
				c.Close(wsproto.TryAgainLater, "the backlog is full")
			}
		},
	}}
	at, err := s.Listen(addr)
	if err != nil {
		return err
	}
	ready(at)
	return s.Wait()
}
