package strictjson

import "bytes"

// Value is the text of one value, without white space around it.
type Value struct {
	Text   []byte // refers to the input
	spaces bool   // there may be white space between its tokens
}

// Object calls f for each member of b, which must be an object; the last of those with
// the same name counts. Each value may have MaxDepth levels. If one is too deep, f is
// called for the others still, and the error is a *DepthError; after a *SyntaxError what
// f was called for means nothing. name has no escapes and is valid during the call.
func Object(b []byte, f func(name []byte, v Value)) error { return object(b, MaxDepth, f) }

// Envelope is Object for what contains values of others, in a few levels of its own.
func Envelope(b []byte, f func(name []byte, v Value)) error {
	return object(b, MaxDepth+envelope, f)
}

// Object calls f for each member of the value, which has been looked at before.
func (v Value) Object(f func(name []byte, v Value)) error { return object(v.Text, mostLevels, f) }

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

// memberName is name, and returns it.
func (s *scanner) memberName() (name []byte, ok bool) {
	if s.next() != '"' {
		return nil, s.fail("the name of a member")
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

// Array calls f for each element of b, which must be an array. The errors are as those
// of [Object].
func Array(b []byte, f func(v Value)) error { return array(b, MaxDepth, f) }

// Array calls f for each element of the value, which has been looked at before.
func (v Value) Array(f func(v Value)) error { return array(v.Text, mostLevels, f) }

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

// comma passes a comma. It reports false if there is none.
func (s *scanner) comma() bool {
	if s.next() != ',' {
		return false
	}
	s.i++
	return true
}

// one passes a value and returns it. Its Text is nil if it is too deep.
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

// AppendCompact appends the value without the white space between its tokens.
func (v Value) AppendCompact(b []byte) []byte {
	if !v.spaces {
		return append(b, v.Text...)
	}
	return AppendCompact(b, v.Text)
}

// AppendCompact appends JSON without the white space between its tokens.
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
