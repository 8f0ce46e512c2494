package wsproto

import "github.com/gobwas/ws"

// Opcode says what a frame, and so a message, is (RFC 6455, 5.2).
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
