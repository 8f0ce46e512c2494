package wsproto

import "unicode/utf8"

// validator checks that a text which comes in pieces is UTF-8 (RFC 3629). It fails at the
// byte that makes the text invalid. The zero value is ready to use.
type validator struct {
	part [utf8.UTFMax]byte // the start of a rune that the last piece cut
	n    int8
}

// write appends p and reports whether the text can still become valid.
func (v *validator) write(p []byte) bool {
	for v.n > 0 && len(p) > 0 {
		v.part[v.n] = p[0]
		v.n++
		p = p[1:]
		if part := v.part[:v.n]; utf8.FullRune(part) {
			if r, n := utf8.DecodeRune(part); r == utf8.RuneError && n <= 1 {
				return false
			}
			v.n = 0
		}
	}
	cut := cutRune(p)
	v.n += int8(copy(v.part[v.n:], p[cut:]))
	return utf8.Valid(p[:cut])
}

// done reports whether the text may end here.
func (v *validator) done() bool { return v.n == 0 }

// cutRune returns the index in p of an incomplete, but so far valid, last rune, or len(p) if
// there is none.
func cutRune(p []byte) int {
	for i := len(p) - 1; i >= 0 && i > len(p)-utf8.UTFMax; i-- {
		if utf8.RuneStart(p[i]) {
			if !utf8.FullRune(p[i:]) {
				return i
			}
			break
		}
	}
	return len(p)
}
