package wire

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fanfare-ws/fanfare/hub"
)

// Close codes of the protocol, for a connection or a subscription.
const (
	CloseUnauthorized = 4401
	CloseForbidden    = 4403
	CloseRateLimited  = 4429
)

// Values of [Error].Code.
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
	RateLimited   = "rate-limited"
	Unauthorized  = "unauthorized"
	KeyReused     = "key-reused"
)

// Error is the server's answer to a request that has failed.
type Error struct {
	Code    string        `json:"code"`
	Message string        `json:"message"`          // for people
	Oldest  *hub.Position `json:"oldest,omitempty"` // for TooOld: the topic holds the messages after it
	Latest  *hub.Position `json:"latest,omitempty"` // for TooOld: the last message of the topic
	// Retry is the time in milliseconds after which the client may send the request again, mostly
	// for RateLimited; 0 if the server does not say.
	Retry int64 `json:"retry,omitempty"`
}

// RetryAfter returns Retry as a duration.
func (e *Error) RetryAfter() time.Duration { return time.Duration(e.Retry) * time.Millisecond }

// Temporary reports whether the same request may succeed later.
func (e *Error) Temporary() bool {
	return e.Code == Unavailable || e.Code == Busy || e.Code == RateLimited
}

func (e *Error) Error() string { return "wire: " + e.Code + ": " + e.Message }

// Errorf returns an error with that code and a message for people, cut off after 1,000 bytes.
func Errorf(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: short(fmt.Sprintf(format, args...))}
}

// Limited returns the error RateLimited for a client that must wait.
func Limited(wait time.Duration) *Error {
	e := Errorf(RateLimited, "too many requests; try again in %v", wait.Round(time.Millisecond))
	e.Retry = Milliseconds(wait)
	return e
}

// Milliseconds returns d as the protocol has it: at least 1, since 0 means that there is none.
func Milliseconds(d time.Duration) int64 { return max(1, d.Milliseconds()) }

func badRequest(format string, args ...any) *Error { return Errorf(BadRequest, format, args...) }

// ErrorOf returns the Error that a server sends for err: err itself if it is an *Error, TooOld
// with its positions if it is a *hub.TooOldError, and otherwise an Error with that code.
func ErrorOf(err error, code string) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	var old *hub.TooOldError
	if errors.As(err, &old) {
		if old.Latest.Epoch == 0 { // there is no such topic
			return &Error{Code: TooOld, Message: "too old: the topic has ended since, and holds no messages"}
		}
		return &Error{Code: TooOld, Message: Plain(err), Oldest: &old.Oldest, Latest: &old.Latest}
	}
	return &Error{Code: code, Message: Plain(err)}
}

// Plain returns the text of err for a client: without the prefixes of packages hub and wire,
// and at most 1,000 bytes of it.
func Plain(err error) string {
	s := strings.ReplaceAll(err.Error(), ": hub: ", ": ")
	return short(strings.TrimPrefix(strings.TrimPrefix(s, "hub: "), "wire: "))
}

// maxError is the longest message of an error, in bytes. A message may quote the request, which
// can be much longer.
const maxError = 1000

func short(s string) string {
	const more = "..."
	if len(s) <= maxError {
		return s
	}
	return strings.ToValidUTF8(s[:maxError-len(more)], "") + more
}

// Result is the server's answer to a request that has succeeded. The request determines which
// members are set.
type Result struct {
	Topic     string        `json:"topic,omitempty"`
	Position  *hub.Position `json:"position,omitempty"`
	Receivers *int          `json:"receivers,omitempty"` // for publish
	Messages  *[]Message    `json:"messages,omitempty"`  // for history
	More      bool          `json:"more,omitempty"`      // for history
	Present   *[]Person     `json:"present,omitempty"`   // for presence, and for subscribe with presence
	Expires   int64         `json:"expires,omitempty"`   // for auth: milliseconds until the token expires; 0 if it does not
}

// Reply is the answer to a request. Either OK or Error is nil.
type Reply struct {
	ID    uint64  `json:"id,omitempty"`
	OK    *Result `json:"ok,omitempty"`
	Error *Error  `json:"error,omitempty"`
}

// Append appends the reply in its wire format. It fails if the data of a person is not JSON.
func (r *Reply) Append(b []byte) ([]byte, error) { return appendJSON(b, r) }
