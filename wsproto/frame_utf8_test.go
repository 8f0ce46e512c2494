package wsproto

import (
	"math/rand/v2"
	"testing"
	"unicode/utf8"
)

// edgeBytes are the ends of all ranges of RFC 3629's grammar, and what lies next
// to them.
var edgeBytes = []byte("\x00a\x7f\x80\x81\x8f\x90\x9f\xa0\xbf\xc0\xc1\xc2\xdf\xe0\xe1\xec\xed\xee\xef\xf0\xf1\xf3\xf4\xf5\xf7\xf8\xff")

// viable reports, by trying, whether p can be continued to valid UTF-8. The bytes
// tried are one from each range that the grammar has for a continuation.
func viable(p []byte) bool {
	if utf8.Valid(p) {
		return true
	}
	// Only the last three bytes can be the begin of a rune.
	for cut := max(0, len(p)-3); cut < len(p); cut++ {
		if utf8.Valid(p[:cut]) && completable(p[cut:], 3) {
			return true
		}
	}
	return false
}

func completable(p []byte, more int) bool {
	if r, n := utf8.DecodeRune(p); n == len(p) && (r != utf8.RuneError || n == 3) {
		return true
	}
	if more == 0 {
		return false
	}
	p = append(make([]byte, 0, len(p)+1), p...)
	for _, b := range []byte{0x80, 0x90, 0xa0} {
		if completable(append(p, b), more-1) {
			return true
		}
	}
	return false
}

// check writes p in pieces that end at cuts, and compares with unicode/utf8.
func checkText(t *testing.T, p []byte, cuts ...int) {
	t.Helper()
	var v validator
	from := 0
	for _, to := range append(cuts, len(p)) {
		ok := v.write(p[from:to])
		if want := viable(p[:to]); ok != want {
			t.Fatalf("% x cut at %v: %v after %d bytes, want %v", p, cuts, ok, to, want)
		}
		if !ok {
			return
		}
		from = to
	}
	if v.done() != utf8.Valid(p) {
		t.Fatalf("% x cut at %v: done is %v", p, cuts, v.done())
	}
}

// TestValidatorRunes tries every byte after every begin of a rune that may stand
// there, one at a time: the text must fail at exactly the byte that spoils it.
func TestValidatorRunes(t *testing.T) {
	var extend func(prefix []byte, v validator)
	extend = func(prefix []byte, v validator) {
		p := append(append(make([]byte, 0, 4), prefix...), 0)
		for b := range 256 {
			if len(prefix) == 3 && b&15 != 0 && b&15 != 15 { // 5 million more prove nothing
				continue
			}
			p[len(prefix)] = byte(b)
			w := v
			ok := w.write(p[len(prefix):])
			if want := viable(p); ok != want {
				t.Fatalf("% x: %v, want %v", p, ok, want)
			}
			if ok && w.done() != utf8.Valid(p) {
				t.Fatalf("% x: done is %v", p, w.done())
			}
			if ok && !w.done() {
				extend(p, w)
			}
		}
	}
	extend(nil, validator{})
}

func TestValidatorSplits(t *testing.T) {
	samples := []string{"", "a", "κόσμε", "\ufffd", "\U0010ffff", "a\u00e9\u20ac\U0001f600z", "\xed\x9f\xbf\xee\x80\x80",
		"κόσμε\xed\xa0\x80edited", "\xf4\x90\x80\x80", "\xc0\xaf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf", "\xed\xa0\x80\xed\xb0\x80",
		"abc\xe2\x82", "\xf0\x9f\x98", "\x80", "\xff", "\xc2", "\xc2\xc2\x80", "\xe2\x28\xa1"}
	for _, s := range samples {
		p := []byte(s)
		checkText(t, p)
		for i := range len(p) + 1 {
			checkText(t, p, i)
			for j := i; j <= len(p); j++ {
				checkText(t, p, i, j)
			}
		}
	}
}

func TestValidatorRandom(t *testing.T) {
	for range 30_000 {
		var p []byte
		for len(p) < 3+rand.IntN(9) {
			if rand.IntN(3) > 0 { // mostly valid, or nothing lives past the first bytes
				p = utf8.AppendRune(p, rand.Int32N(utf8.MaxRune+1)>>rand.IntN(16))
			} else {
				p = append(p, edgeBytes[rand.IntN(len(edgeBytes))])
			}
		}
		var cuts []int
		for i := range p {
			if rand.IntN(2) == 0 {
				cuts = append(cuts, i)
			}
		}
		checkText(t, p, cuts...)
	}
}

func BenchmarkValidator(b *testing.B) {
	for _, bb := range []struct{ name, text string }{{"ascii", letters(64 << 10)}, {"greek", greek(64 << 10)}} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(bb.text)))
			p := []byte(bb.text)
			for b.Loop() {
				var v validator
				for q := p; len(q) > 0; { // pieces that cut runes
					n := min(len(q), 4099)
					if !v.write(q[:n]) {
						b.Fatal("refused")
					}
					q = q[n:]
				}
			}
		})
	}
}

// greek returns about n bytes of runes of two bytes.
func greek(n int) string {
	var s []byte
	for len(s) < n-1 {
		s = append(s, "σ"...)
	}
	return string(s)
}
