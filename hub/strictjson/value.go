package strictjson

import (
	"bytes"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Kind returns the JSON type of the value: "object", "array", "string", "number", "boolean" or
// "null".
func (v Value) Kind() string {
	switch v.Text[0] {
	case '{':
		return "object"
	case '[':
		return "array"
	case '"':
		return "string"
	case 't', 'f':
		return "boolean"
	case 'n':
		return "null"
	}
	return "number"
}

// IsNull reports whether the value is null.
func (v Value) IsNull() bool { return v.Text[0] == 'n' }

// Bool returns the value; ok is false if it is not a boolean.
func (v Value) Bool() (is, ok bool) { return v.Text[0] == 't', v.Text[0] == 't' || v.Text[0] == 'f' }

// Int returns the value of a number. ok is false unless it is an integer: any int64 written
// without a point and exponent, or in any notation if it lies between -1<<53 and 1<<53.
func (v Value) Int() (n int64, ok bool) {
	if n, err := strconv.ParseInt(string(v.Text), 10, 64); err == nil {
		return n, true
	}
	f, ok := v.whole()
	return int64(f), ok
}

// Uint is Int for non-negative integers, up to the largest uint64.
func (v Value) Uint() (n uint64, ok bool) {
	if n, err := strconv.ParseUint(string(v.Text), 10, 64); err == nil {
		return n, true
	}
	f, ok := v.whole()
	return uint64(f), ok && f >= 0
}

func (v Value) whole() (f float64, ok bool) {
	const exact = 1 << 53
	if v.Kind() != "number" || !bytes.ContainsAny(v.Text, ".eE") {
		return 0, false
	}
	f, err := strconv.ParseFloat(string(v.Text), 64)
	return f, err == nil && f == math.Trunc(f) && math.Abs(f) <= exact
}

// String returns the value of a string. ok is false if the value is not a string, or has a lone
// surrogate.
func (v Value) String() (s string, ok bool) {
	if v.Text[0] != '"' {
		return "", false
	}
	text := v.Text[1 : len(v.Text)-1]
	if bytes.IndexByte(text, '\\') < 0 {
		return string(text), true
	}
	b, ok := appendUnescaped(make([]byte, 0, len(text)), text)
	return string(b), ok
}

// AppendString appends the value of a string, which v must be, to b. It replaces each lone
// surrogate by U+FFFD.
func (v Value) AppendString(b []byte) []byte {
	b, _ = appendUnescaped(b, v.Text[1:len(v.Text)-1])
	return b
}

// appendUnescaped appends the unescaped content of a valid string, given without its quotes. ok
// is false if it has a lone surrogate, which becomes U+FFFD.
func appendUnescaped(b, text []byte) (_ []byte, ok bool) {
	ok = true
	for {
		i := bytes.IndexByte(text, '\\')
		if i < 0 {
			return append(b, text...), ok
		}
		b = append(b, text[:i]...)
		c := text[i+1]
		text = text[i+2:]
		switch c {
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		case 'u':
			r, used := unicodeEscape(text)
			if r == utf8.RuneError && used == loneSurrogate {
				ok, used = false, 4
			}
			b, text = utf8.AppendRune(b, r), text[used:]
			continue
		}
		b = append(b, c)
	}
}

const loneSurrogate = -1

// unicodeEscape returns the character whose hexadecimal digits follow \u, and how many bytes of
// text it takes; with a surrogate pair, those of the second escape sequence too.
func unicodeEscape(text []byte) (r rune, used int) {
	r, _ = hex4(text)
	if !utf16.IsSurrogate(r) {
		return r, 4
	}
	if rest := text[4:]; len(rest) >= 6 && rest[0] == '\\' && rest[1] == 'u' {
		low, _ := hex4(rest[2:])
		if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
			return pair, 10
		}
	}
	return utf8.RuneError, loneSurrogate
}
