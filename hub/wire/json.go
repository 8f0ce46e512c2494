package wire

import (
	"fmt"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/strictjson"
)

// MaxDepth is how many arrays and objects may be within each other in what is published
// and in the data of a person.
const MaxDepth = strictjson.MaxDepth

// CheckJSON reports what keeps b from being published as JSON: it must be one JSON value,
// in UTF-8, with at most [MaxDepth] levels, so that everybody can read it in whatever
// envelope it comes. It allocates nothing.
func CheckJSON(b []byte) error {
	if err := strictjson.Check(b); err != nil {
		return fmt.Errorf("wire: %w", err)
	}
	return nil
}

// fields reads members, of which any may be missing or null. err is what was wrong with
// the first that was.
type fields struct{ err *Error }

func (f *fields) wrong(format string, args ...any) {
	if f.err == nil {
		f.err = badRequest(format, args...)
	}
}

func missing(v strictjson.Value) bool { return v.Text == nil || v.IsNull() }

// id returns 0 if there is none, or none that is good.
func (f *fields) id(v strictjson.Value) uint64 {
	if missing(v) {
		return 0
	}
	n, ok := v.Uint()
	if !ok || n < 1 || n > MaxID {
		f.wrong(`"id" is %s; it must be a whole number from 1 to %d`, said(v), int64(MaxID))
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
		f.wrong(`%q has half of a surrogate pair, such as "\ud800", which is no character`, name)
		return ""
	} else if !ok {
		f.wrong("%q is %s; it must be a string", name, said(v))
	}
	return s
}

// bytes returns a string that need not be of whole characters: text that others have
// published.
func (f *fields) bytes(name string, v strictjson.Value) []byte {
	if v.Kind() != "string" {
		f.wrong("%q is %s; it must be a string", name, said(v))
		return nil
	}
	return v.AppendString(make([]byte, 0, len(v.Text)))
}

func (f *fields) number(name string, v strictjson.Value) uint64 {
	n, ok := v.Uint()
	if !ok {
		f.wrong("%q is %s; it must be a whole number that is not negative", name, said(v))
	}
	return n
}

// decode leaves a value, if it is not missing, to a struct.
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
		f.wrong("%q is %s; it must be a whole number that is not negative", name, said(v))
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
		f.wrong("%q is %s; it must be true or false", name, said(v))
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

// said quotes a number; of what else a value is it tells the kind.
func said(v strictjson.Value) string {
	const most = 30
	kind := v.Kind()
	if kind == "number" && len(v.Text) <= most {
		return string(v.Text)
	}
	return "a JSON " + kind
}
