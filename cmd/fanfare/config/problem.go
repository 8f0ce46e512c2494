package config

import (
	"cmp"
	"slices"
	"strings"
)

// Problem is a mistake of the operator.
type Problem struct {
	Field  string // its path in the file; empty if no field is concerned
	Source Source // of the value
	Text   string // what follows the name: what is wrong and what would be right, such as " is 0; it must be at least 1"
}

func (p Problem) String() string {
	switch {
	case p.Field == "" && p.Source.Origin == ByDefault:
		return strings.TrimPrefix(p.Text, ": ")
	case p.Field == "":
		return p.Source.String() + p.Text
	case p.Source.Origin == FromFile:
		return p.Source.String() + ": " + p.Field + p.Text
	}
	return p.name() + p.Text
}

// name returns the name of the field in the language of its source.
func (p Problem) name() string {
	path, _, _ := strings.Cut(p.Field, "[")
	f := settings().byPath[path]
	switch {
	case p.Source.Origin != ByDefault:
		return p.Source.String()
	case f != nil && f.flag != "":
		return "-" + f.flag
	}
	return p.Field
}

// Problems are all mistakes that were found.
type Problems []Problem

func (ps Problems) Error() string {
	var all []string
	for _, p := range ps {
		all = append(all, p.String())
	}
	return strings.Join(all, "\n")
}

// OfArguments returns the mistakes in the command line.
func (ps Problems) OfArguments() (some Problems) {
	for _, p := range ps {
		if p.Source.Origin == FromFlag || p.Field == "" && p.Source.Origin == ByDefault {
			some = append(some, p)
		}
	}
	return some
}

// sort puts the mistakes of the file into the order of its lines, and those of flags and variables before them.
func (ps Problems) sort() {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(b.Source.Origin, a.Source.Origin), cmp.Compare(a.Source.Line, b.Source.Line))
	})
}
