package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const source = `package p

func one() { return }

func none() {
}

func (t *T[K]) three() {
	// A comment counts,

	go func() {}() // and so does a blank line.
}

func outside()
`

func TestLengths(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"p.go": source, "p_test.go": "package p\n\nfunc test() {}\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	functions, err := readTree(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int{"one": 1, "none": 0, "T.three": 3}
	if len(functions) != len(want) {
		t.Errorf("found %v, want the functions of %v", functions, want)
	}
	for _, f := range functions {
		if lines, ok := want[f.name]; !ok || f.lines != lines {
			t.Errorf("%s has %d lines, want %d (known: %t)", f.name, f.lines, lines, ok)
		}
	}
}

// functionsOf returns count functions of each of the lengths.
func functionsOf(count int, lengths ...int) []function {
	var all []function
	for _, lines := range lengths {
		for range count {
			all = append(all, function{pkg: "p", name: "f", at: "p.go:1", lines: lines})
		}
	}
	return all
}

func TestVerdict(t *testing.T) {
	for _, c := range []struct {
		name      string
		functions []function
		says      string // "" if the functions are short enough
	}{
		{"at every limit", append(functionsOf(9, 8, 8, 30), functionsOf(1, 60)...), ""},
		{"median", functionsOf(10, 8, 9, 9), "the median is 9 lines, the limit is 8"},
		{"95th percentile", append(functionsOf(94, 1), functionsOf(6, 31)...), "the 95th percentile is 31 lines, the limit is 30"},
		{"longest", append(functionsOf(99, 1), functionsOf(1, 61)...), "the longest function is 61 lines, the limit is 60"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out strings.Builder
			ok := report(&out, c.functions, maxLongest)
			if ok != (c.says == "") || !strings.Contains(out.String(), c.says) {
				t.Errorf("ok is %t, want %q:\n%s", ok, c.says, out.String())
			}
		})
	}
}
