package token

import (
	"fmt"
	"time"
)

// Code is what is wrong with a token, in a word for programs.
type Code string

// The codes.
const (
	Malformed      Code = "malformed"       // it is not a signed JWT
	TooLong        Code = "too-long"        // longer than MaxLength
	WrongAlgorithm Code = "wrong-algorithm" // not one of Options.Algorithms, or not one for its key
	UnknownKey     Code = "unknown-key"     // the key that it names is not known
	BadSignature   Code = "bad-signature"   //
	BadClaim       Code = "bad-claim"       // a claim has another type, or a value that is not allowed
	Expired        Code = "expired"         // exp is over
	NotYetValid    Code = "not-yet-valid"   // nbf or iat is in the future
	TooLongLived   Code = "too-long-lived"  // it is valid for longer than Options.MaxLifetime
	WrongAudience  Code = "wrong-audience"  // aud has none of Options.Audience
	WrongIssuer    Code = "wrong-issuer"    // iss is not Options.Issuer
	NoKeys         Code = "no-keys"         // the keys cannot be fetched at the moment; the token may be valid
)

// Error is why a token is refused. It contains no part of the token that is secret.
type Error struct {
	Code       Code
	Reason     string        // for people: what is wrong, and what would be right
	RetryAfter time.Duration // with NoKeys
}

func (e *Error) Error() string { return "token: " + e.Reason }

func errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Reason: fmt.Sprintf(format, args...)}
}
