package sqlstore

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestWords(t *testing.T) {
	for _, c := range []struct {
		text string
		want string
	}{
		{"", ""}, {"Hello, World! hello", "hello world"}, {"GRÜSSE Grüße", "grüsse"}, {"e\u0301 é", "é"},
		{"a_b-c.d", "a b c d"}, {"ﬁne ① Ⅳ", "fine 1 iv"}, {"😀 ❤\ufe0f 🏳️‍🌈", ""}, {"\u0301", ""}, {"नमस्ते", "नमस्ते"},
		{"x\x00y \xff z", "x y z"}, {"\U0010ffff", ""},
	} {
		var got []string
		for _, w := range wordsIn(7, c.text) {
			word, ok := strings.CutPrefix(w, "7x")
			if !ok {
				t.Errorf("%q is not of room 7", w)
			}
			got = append(got, word)
		}
		if !slices.Equal(got, strings.Fields(c.want)) {
			t.Errorf("%q: %q, want %q", c.text, got, c.want)
		}
	}
	for _, long := range []string{strings.Repeat("é", 5000), "x" + strings.Repeat("é", 5000), strings.Repeat("𝔸", 5000)} {
		words := wordsIn(1, long)
		if len(words) != 1 || len(words[0]) > longest+2 || !utf8.ValidString(words[0]) {
			t.Errorf("of a long word there is %q", words)
		}
	}
}

// Words are what both indexes take for one as it is, and what no query's syntax is of.
func FuzzWords(f *testing.F) {
	f.Add("Hello 'World\" \x00 * & ! ß ｆｕｌｌ e\u0301 日本語")
	f.Fuzz(func(t *testing.T, text string) {
		for _, w := range wordsIn(3, text) {
			for _, r := range w {
				ascii := '0' <= r && r <= '9' || 'a' <= r && r <= 'z'
				if r < utf8.RuneSelf && !ascii || betweenWords(r) {
					t.Fatalf("%q of %q has %q", w, text, r)
				}
			}
			again := wordsIn(3, strings.TrimPrefix(w, "3x"))
			if len(again) != 1 || len(w) < longest && again[0] != w {
				t.Fatalf("%q of %q becomes %q", w, text, again)
			}
		}
	})
}
