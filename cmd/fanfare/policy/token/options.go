package token

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Options say which tokens are valid.
type Options struct {
	// Algorithms are those that tokens may have, such as HS256 and EdDSA. If it is empty, they are those for which the
	// files have keys; keys from a JWKS then have all but HS256, HS384 and HS512.
	Algorithms []string

	// SecretFiles contain secrets for HMAC, at least as many bytes as the algorithm's digest: text without surrounding
	// white space, or other bytes as they are.
	SecretFiles []string
	// PublicKeyFiles contain keys for RSA, ECDSA or Ed25519 in PEM (PUBLIC KEY, RSA PUBLIC KEY or CERTIFICATE), one or more.
	PublicKeyFiles []string
	// JWKSFile and JWKSURL have JSON Web Key Sets (RFC 7517).
	JWKSFile, JWKSURL string
	// Refresh is the time between two requests to JWKSURL; 0 means 10 minutes. A token with an unknown key causes one, too, but
	// not within 30 seconds.
	Refresh time.Duration

	Audience []string // aud must have one of them; empty means any
	Issuer   string   // iss must be this; empty means any

	// Leeway is how far the clocks of issuer and server may differ.
	Leeway time.Duration
	// RequireExpiry refuses tokens without exp.
	RequireExpiry bool
	// MaxLifetime is the longest time from iat, or from now if the token has none, to exp. It implies RequireExpiry.
	// 0 means any.
	MaxLifetime time.Duration
	// MaxData is the largest presence data in bytes; 0 means 1,024.
	MaxData int

	// Client fetches JWKSURL; nil means one that takes at most 10 seconds, and does not follow redirects from https to http.
	Client *http.Client
	// Now is the wall clock; nil means time.Now.
	Now func() time.Time
	// Log gets changes of the state of JWKSURL; nil means nothing.
	Log *slog.Logger
}

// Configured reports whether any token can be valid.
func (o *Options) Configured() bool {
	return len(o.SecretFiles) > 0 || len(o.PublicKeyFiles) > 0 || o.JWKSFile != "" || o.JWKSURL != ""
}

// FieldError is what is wrong with an option.
type FieldError struct {
	Field string // such as jwks-url
	Err   error
}

func (e *FieldError) Error() string { return e.Field + ": " + e.Err.Error() }

// Unwrap returns the error without the field.
func (e *FieldError) Unwrap() error { return e.Err }

type fieldErrors []error

func (es *fieldErrors) add(field string, err error) {
	if err != nil {
		*es = append(*es, &FieldError{field, err})
	}
}

func (es *fieldErrors) addf(field, format string, args ...any) {
	es.add(field, fmt.Errorf(format, args...))
}

// check reports what is wrong with the options that are no files.
func (o *Options) check() (es fieldErrors) {
	for i, a := range o.Algorithms {
		if !slices.Contains(algorithms, a) {
			es.addf(fmt.Sprintf("algorithms[%d]", i), "%.20q is not supported; the algorithms are %s", a, strings.Join(algorithms, ", "))
		}
	}
	es.add("jwks-url", checkURL(o.JWKSURL))
	for _, d := range []struct {
		field string
		value time.Duration
		least time.Duration
	}{{"refresh", o.Refresh, minRefresh}, {"leeway", o.Leeway, 0}, {"max-lifetime", o.MaxLifetime, time.Second}} {
		if d.value < 0 || d.value > 0 && d.value < d.least {
			es.addf(d.field, "%v is too short; it must be at least %v", d.value, d.least)
		}
	}
	if o.Leeway > maxLeeway {
		es.addf("leeway", "%v is too long; it must be at most %v", o.Leeway, maxLeeway)
	}
	if o.MaxData < 0 || o.MaxData > MaxLength {
		es.addf("max-data", "%d is not possible; it must be from 1 to %d bytes", o.MaxData, MaxLength)
	}
	return es
}

const (
	minRefresh     = 10 * time.Second
	defaultRefresh = 10 * time.Minute
	maxLeeway      = 10 * time.Minute
	defaultMaxData = 1024
)

// checkURL does not repeat the URL, which may contain a password.
func checkURL(s string) error {
	if s == "" {
		return nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return errors.New("it must be the https:// URL of a JSON Web Key Set (http:// if the network in between is your own)")
	}
	return nil
}

func (o *Options) withDefaults() Options {
	d := *o
	if d.Refresh == 0 {
		d.Refresh = defaultRefresh
	}
	if d.MaxData == 0 {
		d.MaxData = defaultMaxData
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	d.RequireExpiry = d.RequireExpiry || d.MaxLifetime > 0
	return d
}
