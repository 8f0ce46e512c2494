package servers

import (
	"net"

	"golang.org/x/net/websocket"
)

// typed is a message with its opcode, which the codecs of the package lose.
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

func xnet(addr string, ready func(net.Addr)) error {
	s := websocket.Server{Handler: func(c *websocket.Conn) {
		for m := new(typed); ; {
			if typedCodec.Receive(c, m) != nil || typedCodec.Send(c, m) != nil {
				return
			}
		}
	}}
	return serveHTTP(addr, ready, s.ServeHTTP)
}
