package wire

import (
	"fmt"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/strictjson"
)

// MaxDepth is the deepest nesting of arrays and objects in published data and in the data of a
// person: [[]] has two levels.
const MaxDepth = strictjson.MaxDepth

// CheckJSON returns an error unless b can be published as JSON: b must be one JSON value in
// UTF-8 with at most [MaxDepth] levels, so that every client can parse it in any envelope. It
// does not allocate unless it fails.
func CheckJSON(b []byte) error {
	if err := strictjson.Check(b); err != nil {
		return fmt.Errorf("wire: %w", err)
	}
	return nil
}

// fields decodes members, each of which may be missing or null. err describes the first one that
// is invalid.
type fields struct{ err *Error }

func (f *fields) wrong(format string, args ...any) {
	if f.err == nil {
		f.err = badRequest(format, args...)
	}
}

func missing(v strictjson.Value) bool { return v.Text == nil || v.IsNull() }

// id returns 0 if the id is missing or invalid.
func (f *fields) id(v strictjson.Value) uint64 {
	if missing(v) {
		return 0
	}
	n, ok := v.Uint()
	if !ok || n < 1 || n > maxID {
		f.wrong(`"id" is %s; it must be an integer from 1 to %d`, quoted(v), int64(maxID))
		return 0
	}
	return n
}

func (f *fields) text(name string, v strictjson.Value) string {
	if missing(v) {
		return ""
	}
	s, ok := v.String()
	if !ok && v.Kind() == "string" {
		f.wrong(`%q has a lone surrogate such as "\ud800"; it must be valid Unicode`, name)
		return ""
	} else if !ok {
		f.wrong("%q is %s; it must be a string", name, quoted(v))
	}
	return s
}

// secret is text for a member whose value must not appear in an error.
func (f *fields) secret(name string, v strictjson.Value) string {
	if missing(v) {
		return ""
	}
	s, ok := v.String()
	if !ok {
		f.wrong("%q is not a string of valid Unicode", name)
	}
	return s
}

// bytes decodes a string that other clients have published, which may have lone surrogates.
func (f *fields) bytes(name string, v strictjson.Value) []byte {
	if v.Kind() != "string" {
		f.wrong("%q is %s; it must be a string", name, quoted(v))
		return nil
	}
	return v.AppendString(make([]byte, 0, len(v.Text)))
}

func (f *fields) number(name string, v strictjson.Value) uint64 {
	n, ok := v.Uint()
	if !ok {
		f.wrong("%q is %s; it must be a non-negative integer", name, quoted(v))
	}
	return n
}

// decode unmarshals a value into to, unless it is missing.
func (f *fields) decode(name string, v strictjson.Value, to any) {
	if missing(v) {
		return
	}
	if err := v.Unmarshal(to); err != nil {
		f.wrong("%q: %v", name, err)
	}
}

func (f *fields) count(name string, v strictjson.Value) int {
	if missing(v) {
		return 0
	}
	n, ok := v.Int()
	if !ok || n < 0 || int64(int(n)) != n {
		f.wrong("%q is %s; it must be a non-negative integer", name, quoted(v))
		return 0
	}
	return int(n)
}

func (f *fields) flag(name string, v strictjson.Value) bool {
	if missing(v) {
		return false
	}
	is, ok := v.Bool()
	if !ok {
		f.wrong("%q is %s; it must be true or false", name, quoted(v))
	}
	return is
}

func (f *fields) position(name string, v strictjson.Value) *hub.Position {
	s := f.text(name, v)
	if s == "" {
		return nil
	}
	p, err := hub.ParsePosition(s)
	if err != nil {
		f.wrong("%q: %s", name, Plain(err))
		return nil
	}
	return &p
}

// quoted describes a value in an error: a number by its text, any other value by its type.
func quoted(v strictjson.Value) string {
	const most = 30
	kind := v.Kind()
	if kind == "number" && len(v.Text) <= most {
		return string(v.Text)
	}
	return "a JSON " + kind
}
