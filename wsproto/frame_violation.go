package wsproto

import (
	"errors"

	"github.com/gobwas/ws"
)

// Violation is a rule of the protocol that a peer broke, with the code that closes the
// connection.
type Violation struct {
	Code Code
	Rule string // with the clause of RFC 6455 or 7692
}

func (v *Violation) Error() string { return "wsproto: " + v.Rule }

// There is one Violation per rule, so that values are comparable.
var (
	errReservedBits     = &Violation{ProtocolError, "a reserved bit is set and no extension gives it a meaning (RFC 6455, 5.2)"}
	errReservedOpcode   = &Violation{ProtocolError, "the opcode is reserved (RFC 6455, 5.2)"}
	errMaskRequired     = &Violation{ProtocolError, "a frame from a client is not masked (RFC 6455, 5.1)"}
	errMaskForbidden    = &Violation{ProtocolError, "a frame from a server is masked (RFC 6455, 5.1)"}
	errLengthNotMinimal = &Violation{ProtocolError, "the length does not have its shortest form (RFC 6455, 5.2)"}
	errLengthTopBit     = &Violation{ProtocolError, "the top bit of a 64-bit length is set (RFC 6455, 5.2)"}
	errControlLength    = &Violation{ProtocolError, "a control frame has more than 125 bytes (RFC 6455, 5.5)"}
	errControlFragment  = &Violation{ProtocolError, "a control frame is fragmented (RFC 6455, 5.5)"}
	errNoContinuation   = &Violation{ProtocolError, "a new message begins before the last one ended (RFC 6455, 5.4)"}
	errContinuation     = &Violation{ProtocolError, "there is no message to continue (RFC 6455, 5.4)"}
	errCloseLength      = &Violation{ProtocolError, "a close frame has a payload of one byte (RFC 6455, 5.5.1)"}
	errCloseCode        = &Violation{ProtocolError, "the status code is not allowed in a close frame (RFC 6455, 7.4)"}
	errCloseReason      = &Violation{InvalidFramePayload, "the reason of a close frame is not UTF-8 (RFC 6455, 5.5.1)"}
	errInvalidUTF8      = &Violation{InvalidFramePayload, "a text message is not UTF-8 (RFC 6455, 8.1)"}
	errDeflate          = &Violation{InvalidFramePayload, "a compressed message cannot be decompressed (RFC 7692, 7.2.2)"}
	errFrameSize        = &Violation{MessageTooBig, "a frame is larger than is accepted here (RFC 6455, 7.4.1)"}
	errMessageSize      = &Violation{MessageTooBig, "a message is larger than is accepted here (RFC 6455, 7.4.1)"}
)

// headerViolation translates an error of ws.CheckHeader.
func headerViolation(err error) *Violation {
	switch err {
	case ws.ErrProtocolOpCodeReserved:
		return errReservedOpcode
	case ws.ErrProtocolControlPayloadOverflow:
		return errControlLength
	case ws.ErrProtocolControlNotFinal:
		return errControlFragment
	case ws.ErrProtocolMaskRequired:
		return errMaskRequired
	case ws.ErrProtocolMaskUnexpected:
		return errMaskForbidden
	case ws.ErrProtocolContinuationExpected:
		return errNoContinuation
	case ws.ErrProtocolContinuationUnexpected:
		return errContinuation
	}
	return errReservedBits
}

// Errors of this endpoint that a connection can end with.
var (
	// ErrHandshakeTimeout: the peer did not finish its handshake in time.
	ErrHandshakeTimeout = errors.New("wsproto: the handshake took too long")
	// ErrPongTimeout: nothing came from the peer, not even the answer to a ping.
	ErrPongTimeout = errors.New("wsproto: the peer is silent and does not answer pings")
	// ErrCloseTimeout: the peer did not answer our close frame.
	ErrCloseTimeout = errors.New("wsproto: the peer did not answer the close frame")
)
