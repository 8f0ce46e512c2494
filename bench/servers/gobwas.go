package servers

import (
	"net"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// gobwas runs serve on a goroutine for each connection after its handshake.
func gobwas(serve func(net.Conn, *room[[]byte])) Serve {
	return func(addr string, ready func(net.Addr)) error {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			return err
		}
		ready(l.Addr())
		all := new(room[[]byte])
		for {
			c, err := l.Accept()
			if err != nil {
				return err
			}
			go func() {
				defer c.Close()
				if _, err := ws.Upgrade(c); err == nil {
					serve(c, all)
				}
			}()
		}
	}
}

func gobwasEcho(c net.Conn, _ *room[[]byte]) {
	for {
		p, op, err := wsutil.ReadClientData(c)
		if err != nil || wsutil.WriteServerMessage(c, op, p) != nil {
			return
		}
	}
}

func gobwasBroadcast(c net.Conn, all *room[[]byte]) {
	write := func(frame []byte) error {
		_, err := c.Write(frame)
		return err
	}
	defer all.join(write, func() { c.Close() })()
	for {
		p, op, err := wsutil.ReadClientData(c)
		if err != nil {
			return
		}
		frame, err := ws.CompileFrame(ws.NewFrame(op, true, p))
		if err != nil {
			return
		}
		all.publish(frame)
	}
}
