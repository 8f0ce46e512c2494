package config

import "fmt"

// reporter collects mistakes.
type reporter struct {
	config   *Config
	problems Problems
	notes    []string
	bad      map[string]bool // fields with a mistake, which are not checked further
}

func newReporter(c *Config) reporter { return reporter{config: c, bad: make(map[string]bool)} }

// report notes a mistake in a field. The text follows the field's name.
func (r *reporter) report(path string, from Source, text string) {
	r.bad[path] = true
	r.problems = append(r.problems, Problem{Field: path, Source: from, Text: text})
}

// refuse reports a mistake in a value that is in force.
func (r *reporter) refuse(path, format string, args ...any) {
	r.report(path, r.config.Source(path), fmt.Sprintf(format, args...))
}

// note notes what may be a mistake.
func (r *reporter) note(path, format string, args ...any) {
	r.notes = append(r.notes, Problem{Field: path, Source: r.config.Source(path), Text: fmt.Sprintf(format, args...)}.String())
}

// good reports whether none of the fields has a mistake.
func (r *reporter) good(paths ...string) bool {
	for _, path := range paths {
		if r.bad[path] {
			return false
		}
	}
	return true
}

// each reports the entries of a list that cannot be right.
func (r *reporter) each(path string, list []string, check func(string) error) {
	for i, entry := range list {
		if err := check(entry); err != nil && r.good(path) {
			r.refuse(fmt.Sprintf("%s[%d]", path, i), ": %s", clean(err))
		}
	}
}

// nameOf returns the name of a field in an error about another one: that of the flag, unless the other one is in the file.
func (r *reporter) nameOf(path, beside string) string {
	from := r.config.Source(path)
	switch inFile := r.config.Source(beside).Origin == FromFile; {
	case inFile && from.Origin == FromFile:
		return fmt.Sprintf("%s (line %d)", path, from.Line)
	case inFile && from.Origin == ByDefault:
		return path
	}
	return Problem{Field: path, Source: from}.name()
}
