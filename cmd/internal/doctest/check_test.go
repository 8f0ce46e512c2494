package doctest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// check is what holds a block that cannot be run against the code.
type check struct {
	file  string
	first string // begins the block
	check func(t *testing.T, b block)
}

// checks has the blocks that are tables of something. A block in no form that can be
// run has to stand here.
var checks = []check{
	{"README.md", "cmd/fanfare", folders},
	{"hub/wire/doc.go", "subscribe ", requests},
	{"hub/wire/doc.go", "bad-request ", codes},
	{"hub/wire/doc.go", "{", values},
	{"netpoll/doc.go", "Loops ", tested("netpoll/doc_limits_test.go", "TestLimitsAreDocumented")},
	{"hub/session/doc.go", "requests that wait", fields},
	{"wsproto/doc.go", "MaxHeader ", serverFields},
	{"README.md", "connected, and idle", measured},
	{"wsproto/doc.go", "ws:// ", measured},
	{"cmd/fanfare-load/doc.go", "fanfare-load ", subcommands},
	{"cmd/fanfare-load/wire.go", " 0  8 ", offsets},
}

// checkOf returns the check of b, nil if there is none.
func checkOf(b block) func(*testing.T, block) {
	for _, c := range checks {
		if c.file == b.file && strings.HasPrefix(b.text, c.first) {
			return c.check
		}
	}
	return nil
}

// TestTables has each table be true.
func TestTables(t *testing.T) {
	for _, b := range collect(t, everything) {
		if check := checkOf(b); check != nil && b.lang == "" {
			t.Run(b.name(), func(t *testing.T) { check(t, b) })
		}
	}
}

// terms returns the first word of each line that does not continue the one before.
func terms(b block) (words []string) {
	for _, l := range b.lines() {
		if l[0] != ' ' {
			words = append(words, strings.Fields(l)[0])
		}
	}
	return words
}

// fields has each field of Options that a table names be one of its package's, or of the
// package that it names.
func fields(t *testing.T, b block) {
	named := regexp.MustCompile(`(?:(\w+)\.)?Options\.(\w+)`).FindAllStringSubmatch(b.text, -1)
	for _, m := range named {
		code := strings.Join(sources(t, filepath.Join(cmp.Or(m[1], filepath.Dir(b.file)), "*.go")), "\n")
		if !regexp.MustCompile(`(?m)^\t(\w+, )*` + m[2] + `(, \w+)*\s`).MatchString(code) {
			t.Errorf("%s is no field", m[0])
		}
	}
	if len(named) == 0 {
		t.Error("no field is named")
	}
}

// serverFields has each line be about a field of wsproto.Server, or of its engine.
func serverFields(t *testing.T, b block) {
	for _, name := range terms(b) {
		file := "wsproto/server.go"
		if engine, ok := strings.CutPrefix(name, "Engine."); ok {
			file, name = "netpoll/options.go", engine
		}
		if !regexp.MustCompile(`(?m)^\t` + name + ` `).MatchString(read(t, file)) {
			t.Errorf("%s has no field %s", file, name)
		}
	}
}

// tested has another test be there that compares the table with the code.
func tested(file, name string) func(*testing.T, block) {
	return func(t *testing.T, _ block) {
		if !strings.Contains(read(t, file), "func "+name+"(t *testing.T)") {
			t.Errorf("%s has no %s", file, name)
		}
	}
}

// measured has the figures be some that the comparison writes, and compares in a test of
// its own.
func measured(t *testing.T, b block) {
	if !strings.Contains(read(t, "bench/documents.go"), `{"`+b.file+`"`) {
		t.Errorf("bench does not know figures of %s", b.file)
	}
}

// folders has the files and folders of a layout exist.
func folders(t *testing.T, b block) {
	for _, name := range terms(b) {
		if _, err := os.Stat(filepath.Join(root, name)); err != nil {
			t.Error(err)
		}
	}
}

// constants has what a table explains be what the file has as constants, all of it.
func constants(t *testing.T, b block, file, declaration string) {
	t.Helper()
	var declared []string
	for _, m := range regexp.MustCompile(declaration).FindAllStringSubmatch(read(t, file), -1) {
		declared = append(declared, m[1])
	}
	explained := terms(b)
	slices.Sort(declared)
	slices.Sort(explained)
	if !slices.Equal(declared, explained) {
		t.Errorf("the table explains %q; %s has %q", explained, file, declared)
	}
}

func requests(t *testing.T, b block) {
	constants(t, b, "hub/wire/request.go", `(?m)^\t[A-Z]\w+ += "([a-z]+)"`)
}

func codes(t *testing.T, b block) {
	constants(t, b, "hub/wire/reply.go", `(?m)^\t[A-Z]\w+ += "([a-z-]+)"`)
}

// values has each line begin with an object of JSON.
func values(t *testing.T, b block) {
	for _, line := range b.lines() {
		line = strings.NewReplacer(`"..."`, `"x"`, `...`, `null`).Replace(line)
		var v map[string]any
		if err := json.NewDecoder(strings.NewReader(line)).Decode(&v); err != nil || len(v) == 0 {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// subcommands has a program have the commands that a table explains.
func subcommands(t *testing.T, b block) {
	s := newShell(t)
	for _, line := range b.lines() {
		words := strings.Fields(line)
		if out, err := s.command("go run ./cmd/" + words[0] + " " + words[1] + " -help"); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}
}

// offsets has the fields of a layout follow one another.
func offsets(t *testing.T, b block) {
	at := 0
	for _, line := range b.lines() {
		var from, size int
		if _, err := fmt.Sscan(line, &from, &size); err != nil || from != at {
			t.Errorf("%q: begins at %d, not at %d: %v", line, from, at, err)
		}
		at = from + size
	}
}
