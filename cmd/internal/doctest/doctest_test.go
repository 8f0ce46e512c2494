package doctest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// everything selects all documents.
func everything(string) bool { return true }

// TestKinds has each block be of a kind that a test of this package runs or checks.
func TestKinds(t *testing.T) {
	for _, b := range collect(t, everything) {
		switch b.lang {
		case "sh", "console", "exchange", "go", "js", "html":
		case "":
			if checkOf(b) == nil {
				t.Errorf("%v: nothing here runs or checks this; give it a form that can be run, or a check in checks:\n%s", b, b.text)
			}
		default:
			t.Errorf("%v: blocks of %q are not run", b, b.lang)
		}
	}
}

// TestShell runs the commands of each document.
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
		if b.lang != "sh" && b.lang != "console" {
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
				s.run(b)
			}
		})
	}
}

// TestGo has each piece of Go be one that is compiled: it stands, but for its indentation,
// in a file with examples, which go test also runs.
func TestGo(t *testing.T) {
	examples := unindented(strings.Join(sources(t, "*/*example*_test.go", "*/*/*example*_test.go"), "\n"))
	found := 0
	for _, b := range collect(t, everything) {
		if b.lang != "go" {
			continue
		}
		if found++; !strings.Contains(examples, unindented(b.text)) {
			t.Errorf("%v: this stands in no file with examples:\n%s", b, b.text)
		}
	}
	if found < 5 {
		t.Errorf("%d pieces of Go are found", found)
	}
}

// sources returns the files that match one of the patterns.
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

// unindented returns s without the tabs that its lines begin with, and the spaces at its ends.
func unindented(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	for i := range lines {
		lines[i] = strings.TrimLeft(lines[i], "\t")
	}
	return strings.Join(lines, "\n")
}
