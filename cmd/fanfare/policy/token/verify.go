package token

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/golang-jwt/jwt/v5"
)

// MaxLength is the longest token in bytes. Longer ones are refused before they are parsed.
const MaxLength = 8 << 10

// maxTried is the largest number of keys with which one signature is checked.
const maxTried = 8

// Verifier checks tokens. Its methods may be called by any goroutine, and Verify does not wait for anything.
type Verifier struct {
	opts    Options
	keys    keys
	file    *keySet // of JWKSFile, or nil
	remote  *remote // of JWKSURL, or nil
	allowed []string
	parser  *jwt.Parser
	current atomic.Pointer[epoch]
}

// New returns a verifier, or everything that is wrong with the options. It reads the files. The keys of JWKSURL are fetched
// when the verifier is started.
func New(o Options) (*Verifier, []error) {
	es := o.check()
	v := &Verifier{opts: o.withDefaults()}
	v.keys = o.load(&es)
	if o.JWKSFile != "" {
		b, err := readFile(o.JWKSFile)
		if err == nil {
			v.file, err = parseSet(b, true)
		}
		es.add("jwks-file", err)
	}
	if !o.Configured() {
		es.addf("secret-files", "there is no key for tokens; give a secret, a public key or a JSON Web Key Set")
	}
	if len(es) > 0 {
		return nil, es
	}
	v.allowed = o.allowed(v.keys)
	v.parser = jwt.NewParser(jwt.WithValidMethods(v.allowed), jwt.WithStrictDecoding(), jwt.WithoutClaimsValidation())
	v.current.Store(newEpoch(nil))
	return v, nil
}

// Start begins to fetch the keys of JWKSURL. It does not wait for them. If old, which may be nil, has the same URL, v takes over
// its keys. Old does not have to be closed.
func (v *Verifier) Start(old *Verifier) {
	if old != nil && old.remote != nil && old.remote.serves(&v.opts) {
		v.remote = old.remote
		return
	}
	if v.opts.JWKSURL != "" {
		v.remote = newRemote(&v.opts, old.setOf(v.opts.JWKSURL))
	}
	old.Close()
}

// setOf returns the set that has been fetched from a URL, or nil.
func (v *Verifier) setOf(url string) *keySet {
	if v == nil || v.remote == nil || v.remote.url != url {
		return nil
	}
	return v.remote.set.Load()
}

// Close ends what goes on in the background, and waits for its end.
func (v *Verifier) Close() {
	if v != nil && v.remote != nil {
		v.remote.close()
	}
}

// Options returns the options with their defaults.
func (v *Verifier) Options() *Options { return &v.opts }

// rawClaims keeps the claims as they are until the signature has been checked.
type rawClaims struct {
	json.RawMessage
	jwt.MapClaims // nil; only for its methods, which are never called
}

func (r *rawClaims) UnmarshalJSON(b []byte) error { return r.RawMessage.UnmarshalJSON(b) }

// Verify returns the claims of a token, or why it is refused.
func (v *Verifier) Verify(token string) (*Claims, *Error) {
	if len(token) > MaxLength {
		return nil, errorf(TooLong, "the token has %d bytes; at most %d are allowed", len(token), MaxLength)
	}
	if !isEncoded(token) {
		return nil, notJWT()
	}
	payload, refused := v.signed(token)
	if refused != nil {
		return nil, refused
	}
	c, refused := v.decode(payload)
	if refused != nil {
		return nil, refused
	}
	return c, nil
}

// isEncoded reports whether the token has the characters of base64url and dots only. Package base64 skips line breaks.
func isEncoded(token string) bool {
	for i := range len(token) {
		switch c := token[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return true
}

func notJWT() *Error {
	return errorf(Malformed, "the token is not a JWT: it must be a header, claims and a signature, each in base64url")
}

// signed returns the claims if the signature is that of a key.
func (v *Verifier) signed(token string) ([]byte, *Error) {
	e := v.epoch()
	if payload := e.recall(v.parser, token); payload != nil {
		return payload, nil
	}
	var raw rawClaims
	t, err := v.parser.ParseWithClaims(token, &raw, func(t *jwt.Token) (any, error) { return v.find(e.set, t) })
	if err != nil {
		return nil, v.explain(t, err)
	}
	e.remember(token)
	return raw.RawMessage, nil
}

// epoch returns the present one. It is another one for each set of keys that has been fetched.
func (v *Verifier) epoch() *epoch {
	e := v.current.Load()
	if v.remote == nil {
		return e
	}
	if set := v.remote.set.Load(); set != e.set {
		v.current.CompareAndSwap(e, newEpoch(set))
		return v.current.Load()
	}
	return e
}

// find returns the keys that the token may have been signed with.
func (v *Verifier) find(fetched *keySet, t *jwt.Token) (any, error) {
	id, err := keyID(t)
	if err != nil {
		return nil, err
	}
	var all jwt.VerificationKeySet
	for _, set := range []*keySet{v.file, fetched} {
		found, err := set.lookup(t)
		if err != nil && !errors.Is(err, errNotInSet) {
			return nil, err
		}
		for _, key := range found {
			if fits(t.Method.Alg(), key) {
				all.Keys = append(all.Keys, key)
			} else if id != "" {
				return nil, errorf(WrongAlgorithm, "the token's algorithm is not one for its key")
			}
		}
	}
	for _, key := range v.keys {
		if fits(t.Method.Alg(), key) {
			all.Keys = append(all.Keys, key)
		}
	}
	switch n := len(all.Keys); {
	case n == 0:
		return nil, v.unknown(fetched, id)
	case n > maxTried:
		return nil, errorf(UnknownKey, "the token does not name its key (kid), and it may be any of %d", n)
	}
	return all, nil
}

// keyID returns the name of the token's key, if it has one.
func keyID(t *jwt.Token) (string, error) {
	if _, critical := t.Header["crit"]; critical { // RFC 7515, 4.1.11
		return "", errorf(Malformed, "the token has critical header parameters (crit), of which none is supported")
	}
	kid, ok := t.Header["kid"]
	if !ok {
		return "", nil
	}
	id, ok := kid.(string)
	if !ok {
		return "", errorf(Malformed, "the token's kid is not a string")
	}
	return id, nil
}

// unknown explains that there is no key for a token. If it may be one of JWKSURL, it is asked for.
func (v *Verifier) unknown(fetched *keySet, id string) error {
	if v.remote != nil {
		if wait := v.remote.want(fetched); wait > 0 {
			e := errorf(NoKeys, "the keys for tokens cannot be had at the moment; try again")
			e.RetryAfter = wait
			return e
		}
	}
	if id == "" {
		return errorf(UnknownKey, "there is no key for the token's algorithm")
	}
	return errorf(UnknownKey, "the token's key (kid %.32q) is not known", id)
}

// explain returns what is wrong with a token that could not be verified.
func (v *Verifier) explain(t *jwt.Token, err error) *Error {
	var refused *Error
	switch {
	case errors.As(err, &refused):
		return refused
	case errors.Is(err, jwt.ErrTokenMalformed), t == nil:
		return notJWT()
	}
	if alg, _ := t.Header["alg"].(string); !slices.Contains(v.allowed, alg) {
		return errorf(WrongAlgorithm, "the token's algorithm is %s; it must be %s", shown(t.Header["alg"]), strings.Join(v.allowed, ", "))
	}
	return errorf(BadSignature, "the token's signature is not that of its key")
}

// shown returns the value of alg for people.
func shown(alg any) string {
	if s, ok := alg.(string); ok {
		return fmt.Sprintf("%.10q", s)
	}
	return "missing"
}
