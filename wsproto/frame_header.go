package wsproto

import (
	"encoding/binary"
	"fmt"

	"github.com/gobwas/ws"
)

// Opcode is the type of a frame, and so of a message (RFC 6455, 5.2).
type Opcode = ws.OpCode

// The opcodes of the protocol.
const (
	opContinuation = ws.OpContinuation
	Text           = ws.OpText
	Binary         = ws.OpBinary
	opClose        = ws.OpClose
	Ping           = ws.OpPing
	Pong           = ws.OpPong
)

const (
	maxControl = ws.MaxControlFramePayloadSize
	// maxHeader is the length of the longest frame header.
	maxHeader = ws.MaxHeaderSize
)

// parseHeader reads the frame header (RFC 6455, 5.2) at the start of p and returns its length
// n, or 0 if p holds only a part of it. It checks the first two bytes against state as soon
// as they are there; state includes StateExtended if messages may be compressed.
func parseHeader(p []byte, state ws.State) (h ws.Header, n int, err error) {
	if len(p) < 2 {
		return h, 0, nil
	}
	h.Fin = p[0]&0x80 != 0
	h.Rsv = p[0] >> 4 & 7
	h.OpCode = ws.OpCode(p[0] & 0xf)
	h.Masked = p[1]&0x80 != 0
	h.Length = int64(p[1] & 0x7f)
	// A length code of 126 or 127 exceeds the limit of a control frame too.
	if err := ws.CheckHeader(h, state); err != nil {
		return h, 0, headerViolation(err)
	}
	if h.Rsv != 0 && (byte(rsv1)>>4 != h.Rsv || h.OpCode != Text && h.OpCode != Binary) {
		return h, 0, errReservedBits // RFC 7692, 6: on the first frame of a message only
	}
	n = 2
	switch h.Length {
	case 126:
		if n = 4; len(p) < n {
			return h, 0, nil
		}
		h.Length = int64(binary.BigEndian.Uint16(p[2:]))
		if h.Length < 126 {
			return h, 0, errLengthNotMinimal
		}
	case 127:
		if n = 10; len(p) < n {
			return h, 0, nil
		}
		h.Length = int64(binary.BigEndian.Uint64(p[2:]))
		if h.Length < 0 {
			return h, 0, errLengthTopBit
		}
		if h.Length < 1<<16 {
			return h, 0, errLengthNotMinimal
		}
	}
	if h.Masked {
		if len(p) < n+4 {
			return h, 0, nil
		}
		h.Mask = [4]byte(p[n:])
		n += 4
	}
	return h, n, nil
}

// appendHeader appends the header of an unmasked frame.
func appendHeader(b []byte, fin bool, op Opcode, length int) []byte {
	b0 := byte(op)
	if fin {
		b0 |= 0x80
	}
	switch {
	case length < 126:
		return append(b, b0, byte(length))
	case length < 1<<16:
		return append(b, b0, 126, byte(length>>8), byte(length))
	}
	return binary.BigEndian.AppendUint64(append(b, b0, 127), uint64(length))
}

// appendFrame appends a frame, masked like a client's if mask is not nil.
func appendFrame(b []byte, fin bool, op Opcode, payload []byte, mask *[4]byte) []byte {
	at := len(b)
	b = appendHeader(b, fin, op, len(payload))
	if mask == nil {
		return append(b, payload...)
	}
	b[at+1] |= 0x80
	b = append(b, mask[:]...)
	at = len(b)
	b = append(b, payload...)
	ws.Cipher(b[at:], *mask, 0)
	return b
}

// rsv1 is the reserved bit that marks a compressed message, in the position that it has
// beside the opcode (RFC 7692, 6).
const rsv1 Opcode = 0x40

// mustBeMessage panics for an op that would bypass the rules of control frames or fragments:
// the peer must not be blamed for that.
func mustBeMessage(op Opcode) {
	if op != Text && op != Binary {
		panic(noMessage(op))
	}
}

func noMessage(op Opcode) string {
	return fmt.Sprintf("wsproto: a message cannot have opcode %d; it is Text or Binary", op)
}
