package policy

import (
	"crypto/sha256"
	"fmt"
	"log/slog"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy/token"
)

// Options describe who may do what. Their zero value lets everybody do everything, except read the messages of users.
type Options struct {
	// TokenFile contains a key with all rights, whose name is "token". Any length is allowed.
	TokenFile string
	// Keys are the other keys.
	Keys []KeyOptions

	// Tokens are the JWTs that are valid, if any are.
	Tokens token.Options
	// Granted are the rights of tokens that have none of read, write, list and manage. If it is nil, they allow nothing.
	Granted *Grants

	// Anonymous are the rights of callers that have not said who they are. If it is nil, they may do everything but read
	// users' topics without keys and tokens, read and list with keys, and nothing with tokens.
	Anonymous *Grants
	// Users are the rights of the users whom a trusted proxy names. If it is nil, they are those of Anonymous.
	Users *Grants

	// Cookie is the name of the cookie that may have a key or token. Empty means none.
	Cookie string

	// MaxConnsPerUser is the largest number of connections of a user at a time; 0 means any. The limits of rights come first.
	MaxConnsPerUser int
	// MaxRevocations is the largest number of revocations in force; 0 means 65,536, which take about 4 MiB.
	MaxRevocations int
	// KeepRevocations is how long revocations are kept if neither they nor Tokens.MaxLifetime say when the tokens have expired;
	// 0 means 30 days.
	KeepRevocations time.Duration

	// Now is the wall clock; nil means time.Now. New takes it, and Update ignores it.
	Now func() time.Time
	// Log gets what changes in the background; nil means nothing. New takes it, and Update ignores it.
	Log *slog.Logger
}

// OptionError is what is wrong with an option.
type OptionError struct {
	Field string // such as keys[1].file
	Err   error  // says the value, and what would be right
}

func (e *OptionError) Error() string { return e.Field + ": " + e.Err.Error() }

// Unwrap returns the error without the field.
func (e *OptionError) Unwrap() error { return e.Err }

func appendError(all []error, field string, err error) []error {
	if err == nil {
		return all
	}
	return append(all, &OptionError{field, err})
}

// The defaults of options.
const (
	defaultRevocations = 1 << 16
	defaultKeep        = 30 * 24 * time.Hour
)

// WithDefaults returns the options with the defaults of their limits.
func (o Options) WithDefaults() Options {
	_ = o.checkLimits()
	return o
}

// checkLimits reports what is wrong with the limits, and sets those that have a default.
func (o *Options) checkLimits() (errs []error) {
	for _, f := range []struct {
		field string
		n     int64
	}{{"max-conns-per-user", int64(o.MaxConnsPerUser)}, {"max-revocations", int64(o.MaxRevocations)}, {"keep-revocations", int64(o.KeepRevocations)}} {
		if f.n < 0 {
			errs = appendError(errs, f.field, fmt.Errorf("%d is negative; it must be at least 1, or 0 for the default", f.n))
		}
	}
	if o.MaxRevocations == 0 {
		o.MaxRevocations = defaultRevocations
	}
	if o.KeepRevocations == 0 {
		o.KeepRevocations = defaultKeep
	}
	return errs
}

// Check reports everything that is wrong with the options. It reads the files and asks nobody.
func (o *Options) Check() []error {
	_, errs := newState(*o, [sha256.Size]byte{})
	return errs
}
