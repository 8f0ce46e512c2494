package wsproto

import "github.com/fanfare-ws/fanfare/netpoll"

// Prepared is a message, or several in a row, encoded once to be sent to any
// number of connections. It does not change and may be used by any number of
// goroutines; connections that are slow share its bytes.
type Prepared struct {
	frames   *netpoll.Buffer
	messages int
}

// Prepare encodes a message; payload is copied.
func Prepare(op Opcode, payload []byte) *Prepared {
	b := make([]byte, 0, maxHeader+len(payload))
	return &Prepared{netpoll.NewBuffer(appendFrame(b, true, op, payload, nil)), 1}
}

// Join returns the messages of all ps in one, which costs a single write for each
// receiver.
func Join(ps ...*Prepared) *Prepared {
	if len(ps) == 1 {
		return ps[0]
	}
	j, size := &Prepared{}, 0
	for _, p := range ps {
		size += p.frames.Len()
		j.messages += p.messages
	}
	b := make([]byte, 0, size)
	for _, p := range ps {
		b = append(b, p.frames.Bytes()...)
	}
	j.frames = netpoll.NewBuffer(b)
	return j
}

// Len returns the number of bytes on the wire.
func (p *Prepared) Len() int { return p.frames.Len() }

// Bytes returns the frames as they go over the wire. They must not be changed.
func (p *Prepared) Bytes() []byte { return p.frames.Bytes() }

// Messages returns the number of messages.
func (p *Prepared) Messages() int { return p.messages }
