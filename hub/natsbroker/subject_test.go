package natsbroker

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/fanfare-ws/fanfare/hub"
)

// valid reports whether NATS takes s as the subject of a message.
func valid(s string) bool {
	for token := range strings.SplitSeq(s, ".") {
		if token == "" || token == "*" || token == ">" {
			return false
		}
	}
	return !strings.ContainsAny(s, " \t\r\n\f\x00")
}

func TestEscape(t *testing.T) {
	for _, c := range []struct{ name, want string }{
		{"chat.room-1", "chat.room-1"},
		{"日本.東京", "日本.東京"},
		{"@user", "@user"},
		{"$JS.API", "$JS.API"},
		{"100%", "100%25"},
		{"%41", "%2541"},
		{"a b\tc", "a%20b%09c"},
		{"*.>", "%2A.%3E"},
		{".a..b.", "%2Ea.%2Eb%2E"},
		{".", "%2E"},
		{"", "%"},
	} {
		if got := escape(c.name); got != c.want || !valid(got) {
			t.Errorf("%q becomes %q, want %q", c.name, got, c.want)
		}
		if got := unescape(c.want); got != c.name {
			t.Errorf("%q was %q, want %q", c.want, got, c.name)
		}
	}
	for _, c := range []struct{ pattern, want string }{
		{"a.*.c%", "a.*.c%25"},
		{">", ">"},
		{"a b.>", "a%20b.>"},
		{"a.>.b", "a.%3E.b"},
		{"name", "name"},
	} {
		if got := escapePattern(c.pattern); got != c.want {
			t.Errorf("%q becomes %q, want %q", c.pattern, got, c.want)
		}
	}
}

// All names can be subjects, come back as they were, and match the patterns that they matched.
func FuzzEscape(f *testing.F) {
	for _, s := range []string{"", ".", "a..b", "a.b.c", "%", "%4", "%%41", "x *>\x00\x7f\xff", "é.ü"} {
		f.Add(s, "a.*.>")
	}
	f.Fuzz(func(t *testing.T, name, pattern string) {
		s := escape(name)
		if !valid(s) {
			t.Fatalf("%q becomes %q", name, s)
		}
		if utf8.ValidString(name) != utf8.ValidString(s) {
			t.Fatalf("%q becomes %q, which differs in being UTF-8", name, s)
		}
		if got := unescape(s); got != name {
			t.Fatalf("%q becomes %q, and then %q", name, s, got)
		}
		if hub.CheckName(name) != nil || hub.CheckPattern(pattern) != nil {
			return
		}
		if hub.Matches(pattern, name) != hub.Matches(escapePattern(pattern), s) {
			t.Fatalf("%q matches %q, %q differs from %q", name, pattern, s, escapePattern(pattern))
		}
	})
}
