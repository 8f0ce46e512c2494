package strictjson

import "bytes"

// Value is the text of one JSON value, without white space around it. Its methods need a
// Value that a function of this package has produced: they rely on a valid Text.
type Value struct {
	Text   []byte // refers to the input; nil if the Value is zero
	spaces bool   // there may be white space between the tokens
}

// Object calls f for each member of the object b, in order; of members with the same name the
// caller should keep the last. Each member's value may have up to [MaxDepth] levels. If a
// value is deeper, f is still called for the other members, and the error is a *DepthError.
// After any other error, which means that b is not a JSON object, the caller must discard what
// f has received. name is unescaped and valid during the call only; v.Text refers to b.
func Object(b []byte, f func(name []byte, v Value)) error { return object(b, MaxDepth, f) }

// Envelope is Object for an envelope around values that others have published: it permits 8
// levels more than [MaxDepth].
func Envelope(b []byte, f func(name []byte, v Value)) error {
	return object(b, MaxDepth+envelopeDepth, f)
}

// Object calls f for each member of v, like the function [Object]. v has been checked
// already, so the only error is that v is not an object.
func (v Value) Object(f func(name []byte, v Value)) error { return object(v.Text, maxLevels, f) }

func object(b []byte, most int, f func(name []byte, v Value)) error {
	s := scanner{b: b, most: most}
	if s.token('{', "an object") {
		s.members(f)
	}
	return s.result()
}

func (s *scanner) members(f func(name []byte, v Value)) {
	for more := s.next() != '}'; more; more = s.comma() {
		name, ok := s.memberName()
		if !ok {
			return
		}
		v, ok := s.one()
		if !ok {
			return
		}
		if v.Text != nil {
			f(name, v)
		}
	}
	_ = s.token('}', "a comma or }") && s.end()
}

// memberName consumes a member's name and the colon, and returns the name unescaped.
func (s *scanner) memberName() (name []byte, ok bool) {
	if s.next() != '"' {
		return nil, s.fail("a member name")
	}
	from := s.i
	if !s.string() {
		return nil, false
	}
	if name = s.b[from+1 : s.i-1]; bytes.IndexByte(name, '\\') >= 0 {
		name, _ = appendUnescaped(nil, name)
	}
	return name, s.token(':', "a colon")
}

// Array calls f for each element of v, in order. v has been checked already, so the only
// error is that v is not an array.
func (v Value) Array(f func(v Value)) error { return array(v.Text, maxLevels, f) }

func array(b []byte, most int, f func(v Value)) error {
	s := scanner{b: b, most: most}
	if !s.token('[', "an array") {
		return s.result()
	}
	for more := s.next() != ']'; more; more = s.comma() {
		v, ok := s.one()
		if !ok {
			return s.result()
		}
		if v.Text != nil {
			f(v)
		}
	}
	_ = s.token(']', "a comma or ]") && s.end()
	return s.result()
}

// comma consumes a comma, and reports whether there was one.
func (s *scanner) comma() bool {
	if s.next() != ',' {
		return false
	}
	s.i++
	return true
}

// one consumes a value and returns it, with a nil Text if it is nested too deeply.
func (s *scanner) one() (v Value, ok bool) {
	s.next()
	from, deep := s.i, s.deep
	s.spaces, s.deep = false, nil
	if !s.value() {
		return v, false
	}
	if s.deep == nil {
		v = Value{s.b[from:s.i], s.spaces}
	}
	if deep != nil {
		s.deep = deep
	}
	return v, true
}

// AppendCompact appends the value to b, without white space between its tokens.
func (v Value) AppendCompact(b []byte) []byte {
	if !v.spaces {
		return append(b, v.Text...)
	}
	return AppendCompact(b, v.Text)
}

// AppendCompact appends text, which must be valid JSON, to b without white space between its
// tokens.
func AppendCompact(b, text []byte) []byte {
	from, inString := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			inString = !inString
		case c == '\\' && inString:
			i++
		case !inString && (c == ' ' || c == '\t' || c == '\n' || c == '\r'):
			b = append(b, text[from:i]...)
			from = i + 1
		}
	}
	return append(b, text[min(from, len(text)):]...)
}
