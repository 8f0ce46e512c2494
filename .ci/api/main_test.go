package main

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

const source = `package hub

const A, b = 1, 2

var Err error

type (
	T struct {
		Name, hidden string
		*Embedded
	}
	I interface {
		Do(n int) error
		seal()
	}
	F     func(a, b int) error
	Other = T
	small int
)

func New[K any](
	first K,
	second int,
) *T { return nil }

func (t *T) Method() {}
func (t *T) method() {}
func (s small) String() string { return "" }
`

var want = []string{
	"hub: const A",
	"hub: field T embeds *Embedded",
	"hub: field T.Name string",
	"hub: func New[K any](first K, second int) *T",
	"hub: method (*T) Method()",
	"hub: method I.Do(n int) error",
	"hub: method I.seal()",
	"hub: type F func(a, b int) error",
	"hub: type I interface",
	"hub: type Other = T",
	"hub: type T struct",
	"hub: var Err error",
}

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

func TestRead(t *testing.T) {
	tree := fstest.MapFS{
		"hub/hub.go":          file(source),
		"hub/hub_test.go":     file("package hub\n\nfunc Test() {}\n"),
		"hub/internal/x/x.go": file("package x\n\nfunc X() {}\n"),
		"hub/tool/main.go":    file("package main\n\nfunc Main() {}\n"),
		"hub/testdata/y/y.go": file("package y\n\nfunc Y() {}\n"),
		"netpoll/doc.go":      file("package netpoll\n"),
		"wsproto/a.go":        file("package wsproto\n\nconst C = 1\n"),
		"wsproto/b.go":        file("package wsproto\n\nconst C = 2\n"),
		"cmd/fanfare/main.go": file("package main\n\nfunc Main() {}\n"),
	}
	got, err := read(tree)
	if err != nil {
		t.Fatal(err)
	}
	if want := append(slices.Clone(want), "wsproto: const C"); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestCompare(t *testing.T) {
	old, now := []string{"a", "b", "c"}, []string{"b", "c", "d"}
	if removed, added := without(old, now), without(now, old); !slices.Equal(removed, []string{"a"}) || !slices.Equal(added, []string{"d"}) {
		t.Errorf("removed %q, added %q, want a and d", removed, added)
	}
}

func TestRevisions(t *testing.T) {
	for name, args := range map[string][]string{
		"too many":  {"a", "b", "c"},
		"not there": {"no-such-revision"},
	} {
		var out strings.Builder
		if err := run(&out, args); err == nil || out.Len() > 0 {
			t.Errorf("%s: error %v, printed %q", name, err, out.String())
		}
	}
}
