package wsproto

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestReadme has each piece of Go in README.md stand in a file of examples, which is
// compiled.
func TestReadme(t *testing.T) {
	readme, compiled := read(t, "../README.md"), unindented(read(t, "gorilla_example_test.go")+read(t, "../hub/example_test.go"))
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(readme, -1)
	if len(blocks) < 3 {
		t.Errorf("%d pieces of Go", len(blocks))
	}
	for _, b := range blocks {
		if !strings.Contains(compiled, unindented(b[1])) {
			t.Errorf("this stands in README.md, but in no file with examples:\n%s", b[1])
		}
	}
}

func read(t *testing.T, name string) string {
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// unindented returns s without the tabs that its lines begin with.
func unindented(s string) string {
	return regexp.MustCompile(`(?m)^\t+`).ReplaceAllString(s, "")
}
