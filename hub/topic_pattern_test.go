package hub

import (
	"strings"
	"testing"
)

func TestCheckPattern(t *testing.T) {
	for _, p := range []string{"a", "*", ">", "*.*", "*.>", "a.*.b", "a.>", "Käse.*", "a:b_c~d@e.>", "*." + strings.Repeat("x", 253)} {
		if err := CheckPattern(p); err != nil {
			t.Errorf("%q: %v", p, err)
		}
	}
	for p, says := range map[string]string{
		"":                               "is empty",
		strings.Repeat("*.", 127) + "*x": "has 256 bytes",
		"\xff.*":                         "not UTF-8",
		"a..*":                           "empty part",
		".>":                             "empty part",
		"*.":                             "empty part",
		"a b.*":                          "contains ' '",
		"a/*":                            `the part "a/*"`,
		"a/b.*":                          "contains '/'",
		"a*.b":                           `the part "a*"`,
		"**":                             `the part "**"`,
		"a.>x":                           `the part ">x"`,
		">.a":                            "has to be the last",
		"a.>.>":                          "has to be the last",
		">.":                             "has to be the last",
	} {
		if err := CheckPattern(p); err == nil || !strings.Contains(err.Error(), says) || !strings.HasPrefix(err.Error(), "hub: the pattern ") {
			t.Errorf("%q: %v, want %q", p, err, says)
		}
	}
}

func TestNamesAreNoPatterns(t *testing.T) {
	for name, says := range map[string]string{
		"*": "has * in place of a token", "a.>": "has > in place of a token", "a.*.b": "as only patterns may", "a*": "contains '*'", "a.>b": "contains '>'",
	} {
		if err := CheckName(name); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q", name, err, says)
		}
		if !IsPattern(name) {
			t.Errorf("%q is no pattern", name)
		}
	}
	for _, name := range []string{"a", "a.b", "", ".", "a/b"} {
		if IsPattern(name) {
			t.Errorf("%q is a pattern", name)
		}
	}
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		pattern, yes, no string // names
	}{
		{"a", "a", "b ab a.a"},
		{"a.b", "a.b", "a b a.b.c ab.b a.bc"},
		{"*", "a b abc", "a.b"},
		{"*.*", "a.b", "a a.b.c"},
		{"a.*", "a.b a.a", "a b.a a.b.c"},
		{"*.b", "a.b b.b", "b a.a a.b.b"},
		{"a.*.c", "a.b.c a.c.c", "a.c a.b.b.c a.b.c.c"},
		{">", "a a.b a.b.c", ""},
		{"a.>", "a.b a.b.c", "a b b.a ab.c"},
		{"*.>", "a.b a.b.c", "a"},
		{"a.*.>", "a.b.c a.b.c.d", "a a.b b.a.c"},
	} {
		for name := range strings.FieldsSeq(c.yes) {
			if !matches(c.pattern, name) {
				t.Errorf("%s does not match %s", c.pattern, name)
			}
		}
		for name := range strings.FieldsSeq(c.no) {
			if matches(c.pattern, name) {
				t.Errorf("%s matches %s", c.pattern, name)
			}
		}
	}
}
