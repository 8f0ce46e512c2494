package strictjson

import "fmt"

// MaxDepth is how many arrays and objects may be within each other: [[]] has two.
const MaxDepth = 64

const (
	envelope   = 8   // levels that protocols put around a value
	mostLevels = 128 // the bits of levels.objects
)

// SyntaxError says where the input stops being JSON.
type SyntaxError struct {
	Offset int // in bytes
	Want   string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("the text is not JSON: at byte %d there must be %s", e.Offset, e.Want)
}

// DepthError says that a value is nested too deep.
type DepthError struct {
	Offset int // of the first array or object that is too deep
}

func (e *DepthError) Error() string {
	return fmt.Sprintf("the JSON is nested too deep at byte %d: at most %d levels are allowed", e.Offset, MaxDepth)
}

// Check reports what keeps b from being one JSON value within the limits: a
// *SyntaxError or a *DepthError.
func Check(b []byte) error {
	s := scanner{b: b, most: MaxDepth}
	_ = s.value() && s.end()
	return s.result()
}

// scanner goes over a JSON text once. Its methods report whether they have passed what
// they are named for; if not, want says what should be at b[i].
type scanner struct {
	b      []byte
	i      int
	most   int // levels of a value
	want   string
	spaces bool        // there is white space between tokens
	deep   *DepthError // the text is nested too deep, whether it is JSON or not
}

// result returns what was wrong.
func (s *scanner) result() error {
	switch {
	case s.want != "":
		return &SyntaxError{s.i, s.want}
	case s.deep != nil:
		return s.deep
	}
	return nil
}

func (s *scanner) fail(want string) bool {
	s.want = want
	return false
}

// next passes white space and returns the byte after it, 0 at the end.
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

// token passes c, with the white space before it.
func (s *scanner) token(c byte, want string) bool {
	if s.next() != c {
		return s.fail(want)
	}
	s.i++
	return true
}

// end passes white space up to the end of the text.
func (s *scanner) end() bool {
	s.next()
	return s.i == len(s.b) || s.fail("the end")
}

// levels are the arrays and objects that are open at a place of the text.
type levels struct {
	n       int
	objects [mostLevels / 64]uint64 // a bit for each: it is an object
}

// object reports whether the innermost is one.
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

// value passes a value, with the white space before it.
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

// begin passes the bracket c, and reports whether something is in it.
func (s *scanner) begin(c byte, open *levels) bool {
	s.i++
	open.push(c == '{')
	if c == '[' {
		return s.next() != ']'
	}
	return s.next() != '}'
}

// after passes the brackets that close after a value, and the comma if there is one. It
// reports whether there was one.
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
			return s.fail("a comma, or the bracket that closes")
		}
	}
	return false
}

// name passes the name of a member, and the colon after it.
func (s *scanner) name() bool {
	if s.next() != '"' {
		return s.fail("the name of a member")
	}
	return s.string() && s.token(':', "a colon")
}

// tooDeep passes an array or object, and looks at strings and brackets only.
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
	return s.fail("the bracket that closes")
}
