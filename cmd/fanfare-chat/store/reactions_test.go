package store

import (
	"fmt"
	"testing"
)

func TestReactions(t *testing.T) {
	var r Reactions
	for _, c := range []struct {
		sign string
		user int64
		on   bool
		want Reactions
	}{
		{"👍", 1, false, ""},
		{"👍", 1, true, "👍 1"},
		{"👍", 1, true, "👍 1"},
		{"🎉", 7, true, "👍 1;🎉 7"},
		{"👍", 5, true, "👍 1 5;🎉 7"},
		{"❤️", 5, false, "👍 1 5;🎉 7"},
		{"👍", 1, false, "👍 5;🎉 7"},
		{"👍", 5, false, "🎉 7"},
	} {
		var full bool
		if r, full = r.With(c.sign, c.user, c.on); r != c.want || full {
			t.Errorf("after %v: %q %v", c, r, full)
		}
	}
	for i := range int64(MaxReactions - 1) {
		r, _ = r.With("👍", i+100, true)
	}
	if got, full := r.With("🎉", 8, true); got != r || !full {
		t.Errorf("one too many: %v", full)
	}
	if got, full := r.With("🎉", 7, true); got != r || full {
		t.Errorf("one that is there: %v", full)
	}
	if got, full := r.With("🎉", 7, false); got == r || full {
		t.Errorf("one goes: %v", full)
	}
	for _, odd := range []Reactions{"", ";", " ", "👍", "👍 x;;🎉"} { // as nobody writes them
		for _, one := range odd.All() {
			if len(one.By) != 0 {
				t.Errorf("%q: %v", odd, fmt.Sprint(odd.All()))
			}
		}
	}
}
