package doctest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// everything selects all documents.
func everything(string) bool { return true }

// isRun reports whether a test runs the blocks of that language, or loads them. Those of others need a check.
func isRun(lang string) bool {
	switch lang {
	case "sh", "console", "exchange", "go", "js", "html", "toml", "javascript":
		return true
	}
	return false
}

// TestKinds checks that a test of this package runs or checks each block.
func TestKinds(t *testing.T) {
	for _, b := range collect(t, everything) {
		if !isRun(b.lang) && checkOf(b) == nil {
			t.Errorf("%v: no test runs or checks this block; write it in a form that can be run, or add a check to checks:\n%s", b, b.text)
		}
	}
}

// TestShell runs the commands of each document, which find the files that the document shows.
func TestShell(t *testing.T) {
	if testing.Short() {
		t.Skip("commands take minutes")
	}
	if !namespaced(t) {
		return
	}
	documents := make(map[string][]block)
	var files []string
	for _, b := range collect(t, everything) {
		if b.lang != "sh" && b.lang != "console" && b.lang != "toml" {
			continue
		}
		if documents[b.file] == nil {
			files = append(files, b.file)
		}
		documents[b.file] = append(documents[b.file], b)
	}
	for _, file := range files {
		t.Run(strings.ReplaceAll(file, "/", "_"), func(t *testing.T) {
			s := newShell(t)
			for _, b := range documents[file] {
				if b.lang == "toml" {
					s.save(b)
				} else {
					s.run(b)
				}
			}
		})
	}
}

// TestGo checks that each block of Go is compiled: apart from its indentation it is part of a file with examples, which go
// test runs.
func TestGo(t *testing.T) {
	examples := unindented(strings.Join(sources(t, "*/*example*_test.go", "*/*/*example*_test.go", "*/*/*/*example*_test.go"), "\n"))
	found := 0
	for _, b := range collect(t, everything) {
		if b.lang != "go" || isProgram(b) {
			continue
		}
		if found++; !strings.Contains(examples, unindented(b.text)) {
			t.Errorf("%v: no file with examples contains this:\n%s", b, b.text)
		}
	}
	if found < 5 {
		t.Errorf("%d blocks of Go, want at least 5", found)
	}
}

// sources returns the text of the files that match one of the patterns.
func sources(t *testing.T, patterns ...string) (all []string) {
	t.Helper()
	for _, p := range patterns {
		files, err := filepath.Glob(filepath.Join(root, p))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, string(b))
		}
	}
	return all
}

// unindented returns s without the tabs at the beginning of its lines and the white space at its ends.
func unindented(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	for i := range lines {
		lines[i] = strings.TrimLeft(lines[i], "\t")
	}
	return strings.Join(lines, "\n")
}
