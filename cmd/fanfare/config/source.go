package config

import (
	"fmt"
	"strings"
)

// Origin is the kind of a [Source].
type Origin uint8

const (
	ByDefault Origin = iota
	FromFile
	FromEnvironment
	FromFlag
)

// Source is where a value comes from.
type Source struct {
	Origin Origin
	Name   string // of the flag without its dash, of the variable, or of the file
	Line   int    // in the file; 0 for the file as a whole
}

func (s Source) String() string {
	switch s.Origin {
	case FromFile:
		if s.Line == 0 { // the file as a whole
			return s.Name
		}
		return fmt.Sprintf("%s:%d", s.Name, s.Line)
	case FromEnvironment:
		return s.Name
	case FromFlag:
		return "-" + s.Name
	}
	return "default"
}

// Source returns where the value of a field comes from. The path is that of the file, such as limits.max-message, or
// topic[2].slow of the third rule.
func (c *Config) Source(path string) Source {
	for {
		if from, there := c.sources[path]; there {
			return from
		}
		end := strings.LastIndexAny(path, ".[")
		if end < 0 || !strings.Contains(path, "[") {
			return Source{}
		}
		path = path[:end]
	}
}

// Explicit reports whether the operator has set a field, even if to its default.
func (c *Config) Explicit(path string) bool { return c.Source(path).Origin != ByDefault }
