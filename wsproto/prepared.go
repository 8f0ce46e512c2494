package wsproto

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/gobwas/ws"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// Prepared is a message, or several in a row, encoded once to be sent to any
// number of connections: once plain, and once compressed for each size of window
// that is in use, when the first such connection needs it. It does not change and
// may be used by any number of goroutines; connections that are slow share its
// bytes, but those with TLS encrypt it each for themselves.
type Prepared struct {
	frames   *netpoll.Buffer
	messages int
	parts    []*Prepared // of which it was joined
	variants atomic.Pointer[variants]
}

// variants are the compressed forms of a Prepared.
type variants struct {
	mu     sync.Mutex // held while one is made, so that it is made once
	byBits [maxWindowBits + 1]*variant
}

type variant struct {
	frames *netpoll.Buffer
	tail   []byte // the end of the payloads in frames, as the next message's window
}

// Prepare encodes a message, as of Conn.Send; payload is copied.
func Prepare(op Opcode, payload []byte) *Prepared {
	mustBeMessage(op)
	b := make([]byte, 0, maxHeader+len(payload))
	return &Prepared{frames: netpoll.NewBuffer(appendFrame(b, true, op, payload, nil)), messages: 1}
}

// Join returns the messages of all ps in one Prepared, so that each receiver gets them in a single
// write.
func Join(ps ...*Prepared) *Prepared {
	if len(ps) == 1 {
		return ps[0]
	}
	j, size := &Prepared{parts: slices.Clone(ps)}, 0
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

// deflated returns p compressed for windows of 2^bits bytes. The Compression of the first caller
// decides on level and threshold.
func (p *Prepared) deflated(k *Compression, bits int) *variant {
	all := p.variants.Load()
	if all == nil {
		p.variants.CompareAndSwap(nil, new(variants))
		all = p.variants.Load()
	}
	all.mu.Lock()
	defer all.mu.Unlock()
	v := all.byBits[bits]
	if v == nil {
		if len(p.parts) > 0 {
			v = p.joinDeflated(k, bits)
		} else {
			v = p.deflate(k, bits)
		}
		all.byBits[bits] = v
	}
	return v
}

func (p *Prepared) deflate(k *Compression, bits int) *variant {
	plain := &variant{frames: p.frames}
	frame := p.frames.Bytes()
	if len(frame) == 0 {
		return plain // of no messages joined
	}
	h, n, _ := parseHeader(frame, ws.StateClientSide)
	payload := frame[n:]
	if len(payload) < k.Threshold {
		return plain
	}
	d := k.smaller(payload, bits)
	if d == nil {
		return plain
	}
	defer d.free()
	small := d.bytes()
	k.saved.prepared().sent(len(payload), len(small))
	b := appendFrame(make([]byte, 0, maxHeader+len(small)), true, h.OpCode|rsv1, small, nil)
	tail := payload[max(0, len(payload)-1<<bits):]
	if len(payload) > 2*len(tail) { // connections keep it: not with all the rest
		tail = slices.Clone(tail)
	}
	return &variant{netpoll.NewBuffer(b), tail[:len(tail):len(tail)]}
}

// joinDeflated puts the compressed forms of the parts together.
func (p *Prepared) joinDeflated(k *Compression, bits int) *variant {
	v, b, same := new(variant), make([]byte, 0, p.frames.Len()), true
	for _, part := range p.parts {
		w := part.deflated(k, bits)
		b = append(b, w.frames.Bytes()...)
		v.tail = appendWindow(v.tail, w.tail, bits)
		same = same && w.frames == part.frames
	}
	if same {
		return &variant{frames: p.frames}
	}
	v.frames = netpoll.NewBuffer(b)
	return v
}

// Len returns the number of bytes on the wire, uncompressed.
func (p *Prepared) Len() int { return p.frames.Len() }

// Bytes returns the frames as they go over the wire, uncompressed. They must not
// be changed.
func (p *Prepared) Bytes() []byte { return p.frames.Bytes() }

// Messages returns the number of messages.
func (p *Prepared) Messages() int { return p.messages }
