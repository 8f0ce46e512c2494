package strictjson

import "fmt"

// MaxDepth is the deepest nesting of arrays and objects: [[]] has two levels.
const MaxDepth = 64

const (
	envelopeDepth = 8   // levels that protocols put around a value
	maxLevels     = 128 // the bits of levels.objects
)

// syntaxError is the place where the input stops being JSON.
type syntaxError struct {
	offset int // in bytes
	want   string
}

func (e *syntaxError) Error() string {
	return fmt.Sprintf("invalid JSON: expected %s at byte %d", e.want, e.offset)
}

// DepthError is the error for a value that is nested more than [MaxDepth] levels deep.
type DepthError struct {
	Offset int // in bytes: where the first array or object that is too deep begins
}

func (e *DepthError) Error() string {
	return fmt.Sprintf("JSON nested too deeply at byte %d: at most %d levels are allowed", e.Offset, MaxDepth)
}

// Check returns nil if b is one JSON value within the limits of this package. The error is a
// *DepthError if b is nested too deeply, and says otherwise where b stops being JSON.
func Check(b []byte) error {
	s := scanner{b: b, most: MaxDepth}
	_ = s.value() && s.end()
	return s.result()
}

// scanner goes over a JSON text once. Each method consumes the token or value that it is named
// for and reports whether it was there; if not, want says what was expected at b[i].
type scanner struct {
	b      []byte
	i      int
	most   int // levels that a value may have
	want   string
	spaces bool        // there is white space between tokens
	deep   *DepthError // set when the text is nested too deeply, even if it is not JSON
}

// result returns the error, if any.
func (s *scanner) result() error {
	switch {
	case s.want != "":
		return &syntaxError{s.i, s.want}
	case s.deep != nil:
		return s.deep
	}
	return nil
}

func (s *scanner) fail(want string) bool {
	s.want = want
	return false
}

// next skips white space and returns the byte after it, 0 at the end.
func (s *scanner) next() byte {
	for ; s.i < len(s.b); s.i++ {
		switch c := s.b[s.i]; c {
		case ' ', '\t', '\n', '\r':
			s.spaces = true
		default:
			return c
		}
	}
	return 0
}

// token consumes c and the white space before it.
func (s *scanner) token(c byte, want string) bool {
	if s.next() != c {
		return s.fail(want)
	}
	s.i++
	return true
}

// end consumes white space up to the end of the text.
func (s *scanner) end() bool {
	s.next()
	return s.i == len(s.b) || s.fail("the end of the text")
}

// levels is the stack of open arrays and objects.
type levels struct {
	n       int
	objects [maxLevels / 64]uint64 // a bit for each level: set if it is an object
}

// object reports whether the innermost level is an object.
func (l *levels) object() bool {
	i := uint(l.n - 1)
	return l.n > 0 && l.objects[i/64]>>(i%64)&1 != 0
}

func (l *levels) push(object bool) {
	bit := uint64(1) << (uint(l.n) % 64)
	if p := &l.objects[l.n/64]; object {
		*p |= bit
	} else {
		*p &^= bit
	}
	l.n++
}

// value consumes a value and the white space before it.
func (s *scanner) value() bool {
	var open levels
	for {
		c := s.next()
		switch {
		case c != '{' && c != '[':
			if !s.scalar(c) {
				return false
			}
		case open.n == s.most:
			if !s.tooDeep() {
				return false
			}
		case s.begin(c, &open):
			if open.object() && !s.name() {
				return false
			}
			continue
		}
		if more := s.after(&open); !more {
			return s.want == ""
		} else if open.object() && !s.name() {
			return false
		}
	}
}

// begin consumes the opening bracket c, and reports whether the array or object has elements.
func (s *scanner) begin(c byte, open *levels) bool {
	s.i++
	open.push(c == '{')
	if c == '[' {
		return s.next() != ']'
	}
	return s.next() != '}'
}

// after consumes the closing brackets after a value, and a comma if one follows. It reports
// whether there was a comma.
func (s *scanner) after(open *levels) (more bool) {
	for open.n > 0 {
		c := s.next()
		switch {
		case c == ',':
			s.i++
			return true
		case c == ']' && !open.object(), c == '}' && open.object():
			s.i++
			open.n--
		default:
			return s.fail("a comma or a closing bracket")
		}
	}
	return false
}

// name consumes a member's name and the colon after it.
func (s *scanner) name() bool {
	if s.next() != '"' {
		return s.fail("a member name")
	}
	return s.string() && s.token(':', "a colon")
}

// tooDeep skips an array or object, looking at strings and brackets only.
func (s *scanner) tooDeep() bool {
	if s.deep == nil {
		s.deep = &DepthError{s.i}
	}
	for open := 0; s.i < len(s.b); {
		switch s.b[s.i] {
		case '"':
			if !s.string() {
				return false
			}
			continue
		case '[', '{':
			open++
		case ']', '}':
			open--
		}
		if s.i++; open == 0 {
			return true
		}
	}
	return s.fail("a closing bracket")
}
