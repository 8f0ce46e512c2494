package wire

import (
	"errors"
	"fmt"
	"strings"

	"github.com/fanfare-ws/fanfare/hub"
)

// The codes of errors.
const (
	BadRequest    = "bad-request"
	BadTopic      = "bad-topic"
	Subscribed    = "subscribed"
	NotSubscribed = "not-subscribed"
	TooOld        = "too-old"
	Forbidden     = "forbidden"
	TooLarge      = "too-large"
	Unknown       = "unknown"
	Unavailable   = "unavailable"
	Busy          = "busy"
)

// Error is what a request fails with.
type Error struct {
	Code    string        `json:"code"`
	Message string        `json:"message"`
	Oldest  *hub.Position `json:"oldest,omitempty"` // of TooOld
	Latest  *hub.Position `json:"latest,omitempty"` // of TooOld
}

func (e *Error) Error() string { return "wire: " + e.Code + ": " + e.Message }

// Errorf makes an error with a message for people.
func Errorf(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: short(fmt.Sprintf(format, args...))}
}

func badRequest(format string, args ...any) *Error { return Errorf(BadRequest, format, args...) }

// ErrorOf returns err as it is told to the client: what is no *Error, nor of package
// hub's, gets the code.
func ErrorOf(err error, code string) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	var old *hub.TooOldError
	if errors.As(err, &old) {
		if old.Latest.Epoch == 0 { // there is no such topic
			return &Error{Code: TooOld, Message: "too old: the topic has ended since, and nothing of it is held"}
		}
		return &Error{TooOld, Plain(err), &old.Oldest, &old.Latest}
	}
	return &Error{Code: code, Message: Plain(err)}
}

// Plain is what a client is told of an error: without the packages that noticed it, and
// not more than 1,000 bytes.
func Plain(err error) string {
	s := strings.ReplaceAll(err.Error(), ": hub: ", ": ")
	return short(strings.TrimPrefix(strings.TrimPrefix(s, "hub: "), "wire: "))
}

// maxError is the longest message of an error, in bytes: it may quote the request.
const maxError = 1000

func short(s string) string {
	const more = "..."
	if len(s) <= maxError {
		return s
	}
	return strings.ToValidUTF8(s[:maxError-len(more)], "") + more
}

// Result is what a request has come to. Which members it has depends on the request.
type Result struct {
	Topic     string        `json:"topic,omitempty"`
	Position  *hub.Position `json:"position,omitempty"`
	Receivers *int          `json:"receivers,omitempty"` // of publish
	Messages  *[]Message    `json:"messages,omitempty"`  // of history
	More      bool          `json:"more,omitempty"`      // of history
	Present   *[]Person     `json:"present,omitempty"`   // of presence, and of subscribe with it
}

// Reply is the answer to a request: OK or Error, the other is nil.
type Reply struct {
	ID    uint64  `json:"id,omitempty"`
	OK    *Result `json:"ok,omitempty"`
	Error *Error  `json:"error,omitempty"`
}

// Append appends the reply as it is sent. It fails if data that it has is not JSON.
func (r *Reply) Append(b []byte) ([]byte, error) { return appendJSON(b, r) }
