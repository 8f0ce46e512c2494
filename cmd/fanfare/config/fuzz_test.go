package config

import (
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
)

// Whatever is in a file, Load reports it or loads it. A mistake in the file has a line, and what package toml refuses is a
// mistake.
func FuzzFile(f *testing.F) {
	for _, text := range []string{
		"", "verbose = true", "listen = ['a:1', {addr = 'b:2'}]", "[[topic]]\npattern='a.>'\n[[topic]]\n", "[limits]\nping='1s'\n[limits]\n",
		"a.b.c = 1\n[a.b]\n[[a]]", "limits = {ping = '1s', max-conns = 5}", "[access]\norigins = [\n'a',\n5,\n]", "[[access.key]]\nsecret = 5", "topic = 'a'\n[[topic]]",
		"x = [[[[]]]]", "\"\" = 1", "[a]\n[a.b]\n[[a.b]]", "date = 2026-11-30T00:00:00Z\nf = 1e5\ni = 0x10",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		root, problems := parseDocument("file", []byte(text))
		l := &loader{reporter: newReporter(defaults()), file: "file"}
		l.value = valueOf(l.config)
		l.problems = problems
		l.decode(root, "")
		if len(l.problems) == 0 {
			l.problems = checkDocument("file", []byte(text))
		}
		l.validate()
		for _, p := range l.problems {
			if p.Source.Origin == FromFile && (p.Source.Line < 1 || p.Source.Line > 1+strings.Count(text, "\n")) {
				t.Errorf("%q: %v", text, p)
			}
		}
		if err := toml.Unmarshal([]byte(text), new(map[string]any)); err != nil && len(l.problems) == 0 {
			t.Errorf("%q: %v", text, err)
		}
	})
}

func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		Load([]string{"-max-message", "64KiB", "-topic", "a history=5"}, nil)
	}
}
