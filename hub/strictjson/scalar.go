package strictjson

import (
	"encoding/binary"
	"unicode/utf8"
)

// scalar consumes a value that begins with c and is neither an array nor an object.
func (s *scanner) scalar(c byte) bool {
	switch {
	case c == '"':
		return s.string()
	case c == '-' || isDigit(c):
		return s.number()
	case c == 't':
		return s.literal("true")
	case c == 'f':
		return s.literal("false")
	case c == 'n':
		return s.literal("null")
	}
	return s.fail("a value")
}

func (s *scanner) literal(word string) bool {
	if rest := s.b[s.i:]; len(rest) < len(word) || string(rest[:len(word)]) != word {
		return s.fail("a value")
	}
	s.i += len(word)
	return true
}

// number consumes a number as defined by RFC 8259, section 6.
func (s *scanner) number() bool {
	if s.is('-') {
		s.i++
	}
	if s.is('0') {
		s.i++
	} else if !s.digits() {
		return false
	}
	if s.is('.') {
		s.i++
		if !s.digits() {
			return false
		}
	}
	if s.is('e') || s.is('E') {
		s.i++
		if s.is('-') || s.is('+') {
			s.i++
		}
		return s.digits()
	}
	return true
}

func (s *scanner) is(c byte) bool { return s.i < len(s.b) && s.b[s.i] == c }

func (s *scanner) digits() bool {
	from := s.i
	for s.i < len(s.b) && isDigit(s.b[s.i]) {
		s.i++
	}
	return s.i > from || s.fail("a digit")
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// string consumes a string, from its opening quote.
func (s *scanner) string() bool {
	from := s.i
	s.i++
	var all byte
	for s.i < len(s.b) {
		s.plain(&all)
		if s.i == len(s.b) {
			break
		}
		switch c := s.b[s.i]; {
		case c == '"':
			if all >= utf8.RuneSelf && !utf8.Valid(s.b[from:s.i]) {
				s.i = from
				return s.fail("a string in UTF-8")
			}
			s.i++
			return true
		case c == '\\':
			if !s.escape() {
				return false
			}
		case c < ' ':
			return s.fail(`a character, with control characters escaped as \u and four digits`)
		default:
			all |= c
			s.i++
		}
	}
	return s.fail("a closing quote")
}

// plain skips ordinary text, eight bytes at a time, up to at most seven bytes before the next
// quote, backslash or control character. all collects the top bits of the bytes, so that the
// caller knows whether it must check for UTF-8.
func (s *scanner) plain(all *byte) {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	for b := s.b[s.i:]; len(b) >= 8; b = b[8:] {
		x := binary.LittleEndian.Uint64(b)
		quote, slash := x^(ones*'"'), x^(ones*'\\')
		if ((x-ones*' ')&^x|(quote-ones)&^quote|(slash-ones)&^slash)&tops != 0 {
			return
		}
		if x&tops != 0 {
			*all = utf8.RuneSelf
		}
		s.i += 8
	}
}

// escape consumes a backslash and the rest of its escape sequence.
func (s *scanner) escape() bool {
	s.i++
	if s.i < len(s.b) {
		switch s.b[s.i] {
		case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			s.i++
			return true
		case 'u':
			if _, ok := hex4(s.b[s.i+1:]); ok {
				s.i += 5
				return true
			}
		}
	}
	return s.fail("a valid escape sequence")
}

// hex4 returns the value of the four hexadecimal digits at the start of b.
func hex4(b []byte) (r rune, ok bool) {
	if len(b) < 4 {
		return 0, false
	}
	for _, c := range b[:4] {
		switch {
		case isDigit(c):
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
