package chat

import (
	"strings"
	"testing"
)

func TestCleanText(t *testing.T) {
	for s, want := range map[string]string{
		" a\r\nb\r\n": "a\nb", "a\rb": "a\nb", "a\n\r\nb": "a\n\nb", "\ta\tb": "a\tb", "👨\u200d👩\u200d👧 نمی\u200cخواهم": "👨\u200d👩\u200d👧 نمی\u200cخواهم",
		"שלום\u200f!": "שלום\u200f!", strings.Repeat("é", MaxText/2): strings.Repeat("é", MaxText/2),
	} {
		if got, err := cleanText(s); got != want || err != nil {
			t.Errorf("%q: %q %v, want %q", s, got, err, want)
		}
	}
	for s, says := range map[string]string{
		"": "empty", " \r\n": "empty", "\u200b": "empty", "\u3164\u2800\ufe0f": "empty", "\u202e": "empty", "a\x00": "U+0000", "a\x85b": "UTF-8", "a\u0085b": "U+0085",
		strings.Repeat("é", MaxText/2) + "x": "too long",
	} {
		if got, err := cleanText(s); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %q %v, want %q", s, got, err, says)
		}
	}
}
