package sqlstore

import (
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// without returns words without their room.
func without(t *testing.T, room string, words []string) (bare []string) {
	t.Helper()
	for _, w := range words {
		word, ok := strings.CutPrefix(w, room+"x")
		if !ok {
			t.Errorf("%q is not of room %s", w, room)
		}
		bare = append(bare, word)
	}
	return bare
}

func TestWords(t *testing.T) {
	for _, c := range []struct {
		text string
		want string
	}{
		{"", ""}, {"Hello, World! hello", "hello world"}, {"GRÜSSE Grüße", "grusse"}, {"e\u0301 é", "e"},
		{"a_b-c.d", "a b c d"}, {"ﬁne ① Ⅳ", "fine 1 iv"}, {"\u0301", ""}, {"नमस्ते", "नमस्ते"},
		{"x\x00y \xff z", "x y z"}, {"\U0010ffff", ""}, {"Ꭰꭰ", "ᎠᎠ"}, {"café naïve שָׁלוֹם", "cafe naive שלום"},
		{"上海东", "上 上海 海 海东 东"}, {"iPhone手机2", "iphone 手 手机 机 2"}, {"お、す", "お す"}, {"ガ ｶﾞ", "ガ"}, {"コーヒー", "コ コー ー ーヒ ヒ ヒー"},
		{"สวัส", "ส สวั วั วัส"}, {"한국어", "한 한국 국 국어 어"}, {"a🐶🐱b", "a 🐶 🐶🐱 🐱 b"}, {"❤\ufe0f🎉", "❤ ❤🎉 🎉"}, {"❤🎉", "❤ ❤🎉 🎉"},
		{"🇩🇪", "🇩 🇩🇪 🇪"}, {"👍🏽", "👍"},
	} {
		if got := without(t, "7", indexedWords(7, c.text)); !slices.Equal(got, strings.Fields(c.want)) {
			t.Errorf("%q: %q, want %q", c.text, got, c.want)
		}
	}
	for _, long := range []string{strings.Repeat("é", 5000), "x" + strings.Repeat("я", 5000), strings.Repeat("𝔸", 5000), "a" + strings.Repeat("ि", 5000)} {
		words := indexedWords(1, long)
		if len(words) != 1 || len(words[0]) > maxWord+2 || !utf8.ValidString(words[0]) {
			t.Errorf("a long word is indexed as %q", words)
		}
	}
}

func TestWordsOfQueries(t *testing.T) {
	for query, want := range map[string]string{
		"": "", "Hello wor": "hello wor", "上": "上", "上海": "上海", "上海东": "上海 海东", "ชาว": "ชา าว", "🐶": "🐶", "手 机": "手 机", "iPhone手机": "iphone 手机",
	} {
		if got := without(t, "7", queryWords(7, query)); !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("%q: %q, want %q", query, got, want)
		}
	}
}

// Both indexes accept each word unchanged, and no word has query syntax. Every part of a text finds the
// text.
func FuzzWords(f *testing.F) {
	f.Add("Hello 'World\" \x00 * & ! ß ｆｕｌｌ e\u0301 日本語 Ꭰꭰ 🐶🐱 สวัสดี")
	f.Fuzz(func(t *testing.T, text string) {
		all := indexedWords(3, text)
		for _, w := range all {
			for _, r := range w {
				ascii := '0' <= r && r <= '9' || 'a' <= r && r <= 'z'
				if r < utf8.RuneSelf && !ascii || betweenWords(r) || unicode.IsSpace(r) {
					t.Fatalf("%q of %q has %q", w, text, r)
				}
			}
			again := queryWords(3, strings.TrimPrefix(w, "3x"))
			if len(again) != 1 || len(w) < maxWord && again[0] != w {
				t.Fatalf("%q of %q becomes %q", w, text, again)
			}
		}
		for _, w := range queryWords(3, text) {
			if !slices.Contains(all, w) {
				t.Fatalf("%q asks for %q, and has %q", text, w, all)
			}
		}
	})
}
