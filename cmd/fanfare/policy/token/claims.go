package token

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy/rights"
	"github.com/fanfare-ws/fanfare/hub"
)

// Claims are what a valid token says.
type Claims struct {
	User    string          // sub
	ID      string          // jti
	Issued  time.Time       // iat; zero if the token does not say
	Expires time.Time       // exp; zero for never
	Granted bool            // the token has at least one of read, write, list and manage
	Grants  rights.Grants   // what these and rate and conns say; not checked yet
	Data    json.RawMessage // data; nil if there is none

	notBefore time.Time
}

// maxID is the longest jti in bytes.
const maxID = 255

// object has the members of a JSON object as they are. Names are case-sensitive.
type object map[string]json.RawMessage

func parseObject(b []byte) (o object, ok bool) {
	b = bytes.TrimSpace(b)
	return o, len(b) > 0 && b[0] == '{' && json.Unmarshal(b, &o) == nil
}

// take stores the value of a member that exists, and must have the type of *to.
func take[T any](o object, name string, to *T) *Error {
	raw, ok := o[name]
	if !ok {
		return nil
	}
	if string(raw) == "null" || json.Unmarshal(raw, to) != nil {
		return errorf(BadClaim, "the token's claim %s has the wrong type; it must be %s", name, types[name])
	}
	return nil
}

// takeText is take for strings. Most of them need no decoding, which costs more than all the rest of a claim.
func takeText(o object, name string, to *string) *Error {
	raw := o[name]
	if n := len(raw); n >= 2 && raw[0] == '"' && bytes.IndexByte(raw, '\\') < 0 {
		*to = string(raw[1 : n-1])
		return nil
	}
	return take(o, name, to)
}

// types has what claims must be.
var types = map[string]string{
	"sub": "a string, the name of the user", "jti": "a string", "iss": "a string", "aud": "a string or a list of strings",
	"iat": "a number of seconds since 1970", "nbf": "a number of seconds since 1970", "exp": "a number of seconds since 1970",
	"fanfare": "an object with read, write, list, manage, rate, conns and data", "rate": "an object with messages and bytes",
	"messages": "a positive number", "bytes": "a positive number", "conns": "a positive number",
	"read": listType, "write": listType, "list": listType, "manage": listType,
}

const listType = "a list of names and patterns of topics"

// takeTime stores a NumericDate (RFC 7519, 2).
func takeTime(o object, name string, to *time.Time) *Error {
	raw, ok := o[name]
	if !ok {
		return nil
	}
	seconds, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || !(seconds >= 0 && seconds <= maxTime) {
		return errorf(BadClaim, "the token's claim %s has the wrong type; it must be %s, until the year 9999", name, types[name])
	}
	whole, part := math.Modf(seconds)
	*to = time.Unix(int64(whole), int64(part*1e9))
	return nil
}

// maxTime is the last second of the year 9999.
const maxTime = 253402300799

// takeCount stores a positive number.
func takeCount(o object, name string, to *int) *Error {
	if _, ok := o[name]; !ok {
		return nil
	}
	if err := take(o, name, to); err != nil || *to < 1 {
		return errorf(BadClaim, "the token's claim %s has the wrong type; it must be %s", name, types[name])
	}
	return nil
}

func first(refusals ...*Error) *Error {
	for _, r := range refusals {
		if r != nil {
			return r
		}
	}
	return nil
}

// decode returns the claims if they are of the right types, and valid now.
func (v *Verifier) decode(payload []byte) (*Claims, *Error) {
	o, ok := parseObject(payload)
	if !ok || !utf8.Valid(payload) {
		return nil, errorf(Malformed, "the token's claims are not a JSON object in UTF-8")
	}
	c := new(Claims)
	refused := first(c.registered(o), v.checkTimes(c), v.checkParties(o))
	if refused != nil {
		return nil, refused
	}
	if _, ok := o["fanfare"]; ok {
		var inner object
		if refused = first(take(o, "fanfare", &inner), onlyKnown(inner)); refused != nil {
			return nil, refused
		}
		o = inner
	}
	if refused = first(c.grants(o), v.takeData(o, c)); refused != nil {
		return nil, refused
	}
	return c, nil
}

// registered decodes the claims of RFC 7519.
func (c *Claims) registered(o object) *Error {
	refused := first(takeText(o, "sub", &c.User), takeText(o, "jti", &c.ID), takeTime(o, "iat", &c.Issued),
		takeTime(o, "nbf", &c.notBefore), takeTime(o, "exp", &c.Expires))
	switch {
	case refused != nil:
		return refused
	case len(c.ID) > maxID:
		return errorf(BadClaim, "the token's claim jti has %d bytes; at most %d are allowed", len(c.ID), maxID)
	case c.User == "":
		return nil
	}
	if err := hub.CheckUser(c.User); err != nil {
		return errorf(BadClaim, "the token's claim sub is not a user: %s", strings.ReplaceAll(err.Error(), "hub: ", ""))
	}
	return nil
}

// grants decodes the rights and limits.
func (c *Claims) grants(o object) *Error {
	g := &c.Grants
	for _, name := range []string{"read", "write", "list", "manage"} {
		_, ok := o[name]
		c.Granted = c.Granted || ok
	}
	rate := object{}
	return first(take(o, "read", &g.Read), take(o, "write", &g.Write), take(o, "list", &g.List), take(o, "manage", &g.Manage),
		take(o, "rate", &rate), takeCount(rate, "messages", &g.Limits.Messages), takeCount(rate, "bytes", &g.Limits.Bytes),
		takeCount(o, "conns", &g.Limits.Conns))
}

// onlyKnown refuses members of the claim fanfare that do not exist, because a right with a typo is none.
func onlyKnown(o object) *Error {
	for name := range o {
		switch name {
		case "read", "write", "list", "manage", "rate", "conns", "data":
		default:
			return errorf(BadClaim, "the token's claim fanfare has the member %.20q; it must be %s", name, types["fanfare"])
		}
	}
	return nil
}

func (v *Verifier) takeData(o object, c *Claims) *Error {
	raw := o["data"]
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		return errorf(BadClaim, "the token's claim data is not JSON")
	}
	if b.Len() > v.opts.MaxData {
		return errorf(BadClaim, "the token's claim data has %d bytes; at most %d are allowed", b.Len(), v.opts.MaxData)
	}
	c.Data = b.Bytes()
	return nil
}
