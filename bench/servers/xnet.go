package servers

import (
	"net"

	"golang.org/x/net/websocket"
)

// typed is a message with its opcode, which the codecs of the package drop.
type typed struct {
	op byte
	p  []byte
}

var typedCodec = websocket.Codec{
	Marshal: func(v any) ([]byte, byte, error) {
		m := v.(*typed)
		return m.p, m.op, nil
	},
	Unmarshal: func(p []byte, op byte, v any) error {
		*v.(*typed) = typed{op, p}
		return nil
	},
}

func xnet(serve func(*websocket.Conn)) Serve {
	return func(addr string, ready func(net.Addr)) error {
		return serveHTTP(addr, ready, websocket.Server{Handler: serve}.ServeHTTP)
	}
}

func xnetEcho(c *websocket.Conn) {
	for m := new(typed); ; {
		if typedCodec.Receive(c, m) != nil || typedCodec.Send(c, m) != nil {
			return
		}
	}
}

func xnetBroadcast() func(*websocket.Conn) {
	all := new(room[*typed])
	return func(c *websocket.Conn) {
		defer all.join(func(m *typed) error { return typedCodec.Send(c, m) }, func() { c.Close() })()
		for {
			m := new(typed)
			if typedCodec.Receive(c, m) != nil {
				return
			}
			all.publish(m)
		}
	}
}
