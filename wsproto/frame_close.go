package wsproto

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// CloseError says how a connection ended.
type CloseError struct {
	// Code is the status in the first close frame: NoStatusReceived if the frame was empty,
	// AbnormalClosure if there was none.
	Code Code
	// Reason is the text in that frame.
	Reason string
	// Remote is true if the peer sent that frame.
	Remote bool
	// Err is what went wrong, if anything did: a [Violation], ErrReadDeadline, ErrPongTimeout
	// or ErrCloseTimeout, netpoll.ErrPanic if the handler panicked, the error of OnStream, or
	// an error of the transport.
	Err error
}

func (e *CloseError) Error() string {
	who := "we"
	if e.Remote {
		who = "the peer"
	}
	s := fmt.Sprintf("wsproto: %s closed with %d", who, e.Code)
	if e.Code == AbnormalClosure {
		s = "wsproto: connection ended without a close frame"
	}
	if e.Reason != "" {
		s += fmt.Sprintf(" %q", e.Reason)
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns Err.
func (e *CloseError) Unwrap() error { return e.Err }

// IsCloseError reports whether err is, or wraps, a [CloseError] with one of the codes, or
// with any code if none is given.
func IsCloseError(err error, codes ...Code) bool {
	var ce *CloseError
	if !errors.As(err, &ce) {
		return false
	}
	for _, c := range codes {
		if ce.Code == c {
			return true
		}
	}
	return len(codes) == 0
}

// maxReason is the maximum length of the reason in a close frame.
const maxReason = maxControl - 2

// sanitizeClose makes a code and a reason fit for a close frame. An invalid code becomes
// InternalError; NoStatusReceived has no reason. The reason becomes UTF-8, and is cut at a
// rune's boundary if it is too long.
func sanitizeClose(code Code, reason string) (Code, string) {
	if code == NoStatusReceived {
		return code, ""
	}
	if !code.Valid() {
		code = InternalError
	}
	reason = strings.ToValidUTF8(reason, string(utf8.RuneError))
	if len(reason) <= maxReason {
		return code, reason
	}
	n := maxReason
	for !utf8.RuneStart(reason[n]) {
		n--
	}
	return code, reason[:n]
}

// appendCloseBody appends the payload of a close frame. The arguments must be sanitized.
// NoStatusReceived makes an empty payload.
func appendCloseBody(b []byte, code Code, reason string) []byte {
	if code == NoStatusReceived {
		return b
	}
	b = binary.BigEndian.AppendUint16(b, uint16(code))
	return append(b, reason...)
}

// parseCloseBody reads the payload of a close frame (RFC 6455, 5.5.1).
func parseCloseBody(p []byte) (Code, string, error) {
	switch {
	case len(p) == 0:
		return NoStatusReceived, "", nil
	case len(p) == 1:
		return 0, "", errCloseLength
	}
	code := Code(binary.BigEndian.Uint16(p))
	if !code.Valid() {
		return 0, "", errCloseCode
	}
	if !utf8.Valid(p[2:]) {
		return 0, "", errCloseReason
	}
	return code, string(p[2:]), nil
}
