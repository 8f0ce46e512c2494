package doctest

import (
	"fmt"
	"go/ast"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// root is the directory of the project, relative to this package.
const root = "../../.."

// block is a piece of code in a document.
type block struct {
	file string // from the project's root
	line int    // of its first line; of the comment, in Go
	lang string // from the fence, or guessed
	text string
}

func (b block) String() string { return fmt.Sprintf("%s:%d", b.file, b.line) }

// name returns a name for a subtest.
func (b block) name() string { return strings.ReplaceAll(b.String(), "/", "_") }

// lines returns the lines that are not empty.
func (b block) lines() []string {
	return slices.DeleteFunc(strings.Split(b.text, "\n"), func(l string) bool { return strings.TrimSpace(l) == "" })
}

// collect returns the blocks of the documents for which keep returns true, in order.
func collect(t *testing.T, keep func(file string) bool) []block {
	t.Helper()
	var all []block
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if n := d.Name(); n == "testdata" || n == "node_modules" || len(n) > 2 && n[0] == '.' {
				return fs.SkipDir
			}
			return nil
		}
		file, err := filepath.Rel(root, path)
		if err != nil || !keep(file) {
			return err
		}
		switch {
		case strings.HasSuffix(file, ".md"):
			all = append(all, markdown(t, file)...)
		case strings.HasSuffix(file, ".go") && !strings.HasSuffix(file, "_test.go"):
			all = append(all, comments(t, file)...)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var fence = regexp.MustCompile("^```(\\w*)$")

// markdown returns the fenced blocks of a page, and those that are indented after an empty line.
func markdown(t *testing.T, file string) []block {
	t.Helper()
	var all []block
	var open *block // fenced if it has a language
	fenced, empty := false, true
	for i, line := range strings.Split(read(t, file), "\n") {
		m := fence.FindStringSubmatch(line)
		switch {
		case fenced && m != nil:
			open, fenced = nil, false
		case fenced:
			open.text += line + "\n"
		case m != nil:
			all = append(all, block{file, i + 2, m[1], ""})
			open, fenced = &all[len(all)-1], true
		case strings.HasPrefix(line, "    ") && (empty || open != nil):
			if open == nil {
				all = append(all, block{file, i + 1, "", ""})
				open = &all[len(all)-1]
			}
			open.text += line[4:] + "\n"
		case strings.TrimSpace(line) != "":
			open = nil
		case open != nil:
			open.text += "\n"
		}
		empty = strings.TrimSpace(line) == ""
	}
	for i := range all {
		all[i].lang = language(all[i])
	}
	return all
}

// comments returns the blocks in a file's comments.
func comments(t *testing.T, file string) []block {
	t.Helper()
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, filepath.Join(root, file), nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var all []block
	ast.Inspect(f, func(n ast.Node) bool {
		g, ok := n.(*ast.CommentGroup)
		if !ok {
			return true
		}
		var p comment.Parser
		for _, c := range p.Parse(g.Text()).Content {
			if code, ok := c.(*comment.Code); ok {
				b := block{file, files.Position(g.Pos()).Line, "", code.Text}
				b.lang = language(b)
				all = append(all, b)
			}
		}
		return true
	})
	return all
}

var (
	command  = regexp.MustCompile(`^(\$ |(go|curl|ulimit|sysctl|npm|node|npx|openssl) )`)
	dialogue = regexp.MustCompile(`^(->|<-) `)
	golang   = regexp.MustCompile(`(?m) := |^func |^package |\(func\(`)
)

// language returns the language of a block: that of its fence, or a guess from its text, or "".
func language(b block) string {
	lines := b.lines()
	every := func(re *regexp.Regexp) bool {
		return len(lines) > 0 && !slices.ContainsFunc(lines, func(l string) bool { return !re.MatchString(l) })
	}
	switch {
	case b.lang != "":
		return b.lang
	case every(dialogue):
		return "exchange"
	case every(command):
		return "sh"
	case golang.MatchString(b.text):
		return "go"
	}
	return ""
}
