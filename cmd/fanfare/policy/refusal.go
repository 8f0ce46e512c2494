package policy

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/fanfare-ws/fanfare/wsproto"
)

// Refusal is why a caller may not do something. It never contains a token or a key.
type Refusal struct {
	Status     int    // of HTTP: 401, 403, 429 or 503
	Code       string // what is wrong, in a word for programs, such as "expired"
	Reason     string // the same for people
	Challenge  string // WWW-Authenticate (RFC 6750, 3); none if empty
	RetryAfter time.Duration
}

// The codes of refusals beside those of package token.
const (
	CodeUnauthenticated = "unauthenticated" // the caller has not said who it is
	CodeUnknownKey      = "unknown-key"     // what it sent is neither a key nor a token
	CodeAmbiguous       = "ambiguous"       // it sent several different cookies with tokens
	CodeForbidden       = "forbidden"       // its rights do not allow that
	CodeRevoked         = "revoked"         // its token or key has been revoked
	CodeOtherUser       = "other-user"      // the new token is for another user
	CodeTooManyConns    = "too-many"        // the user has as many connections as are allowed
	CodeBadUser         = "bad-user"        // the name from the proxy cannot be that of a user
)

func (r *Refusal) Error() string { return fmt.Sprintf("refused with %d: %s", r.Status, r.Reason) }

// Header returns the fields of an HTTP response with the refusal, or nil.
func (r *Refusal) Header() http.Header {
	h := make(http.Header)
	if r.Challenge != "" {
		h.Set("Www-Authenticate", r.Challenge)
	}
	if r.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int((r.RetryAfter+time.Second-1)/time.Second)))
	}
	if len(h) == 0 {
		return nil
	}
	return h
}

// Handshake returns the refusal of a WebSocket handshake.
func (r *Refusal) Handshake() *wsproto.Refusal {
	refusal := wsproto.Refuse(r.Status, r.Reason)
	refusal.Header = r.Header()
	return refusal
}

// unauthenticated refuses a caller that has not said who it is. A challenge without an error says how to (RFC 6750, 3.1).
func unauthenticated(reason string) *Refusal {
	return &Refusal{Status: http.StatusUnauthorized, Code: CodeUnauthenticated, Reason: reason, Challenge: "Bearer"}
}

// invalid refuses what a caller has sent to say who it is.
func invalid(code, reason string) *Refusal {
	return &Refusal{Status: http.StatusUnauthorized, Code: code, Reason: reason, Challenge: challenge(reason)}
}

func forbidden(code, reason string) *Refusal {
	return &Refusal{Status: http.StatusForbidden, Code: code, Reason: reason}
}

// challenge is that of RFC 6750, 3.1. Its description may only have printable ASCII without quotes and backslashes.
func challenge(reason string) string {
	b := []byte(`Bearer error="invalid_token", error_description="`)
	for i := range len(reason) {
		c := reason[i]
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			c = '\''
		}
		b = append(b, c)
	}
	return string(append(b, '"'))
}
