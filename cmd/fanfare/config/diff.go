package config

import (
	"maps"
	"reflect"
	"strings"
)

// Changes are the fields in which two configurations differ, by their paths in the file.
type Changes struct {
	Live    []string // they can change while the server runs
	Restart []string // they need a restart
}

// Diff returns in what two configurations differ. The files that they name are not compared: see [Changes.With].
func Diff(old, now *Config) Changes {
	c := Changes{Live: []string{}, Restart: []string{}} // lists in JSON, too, if they are empty
	a, b := reflect.ValueOf(old).Elem(), reflect.ValueOf(now).Elem()
	for _, f := range settings().fields {
		switch {
		case equal(f.of(a), f.of(b)):
		case f.live:
			c.Live = append(c.Live, f.path)
		default:
			c.Restart = append(c.Restart, f.path)
		}
	}
	return c
}

// equal reports whether two values are the same. An empty list is the same as none.
func equal(a, b reflect.Value) bool {
	if a.Kind() == reflect.Slice && a.Len() == 0 && b.Len() == 0 {
		return true
	}
	return reflect.DeepEqual(a.Interface(), b.Interface())
}

// Over returns what is in force after a server that runs with a configuration has reloaded l: the fields that need a
// restart are those of the server. Fields depend on each other across that line, so defaults are derived and mistakes are
// looked for again. l must have no mistakes of its own.
func (l *Loaded) Over(running *Config) *Loaded {
	c := running.with(l.Config)
	merged := &loader{reporter: newReporter(c), value: valueOf(c)}
	merged.validate()
	c.derive()
	return &Loaded{Command: l.Command, Config: c, Problems: merged.problems, Notes: merged.notes}
}

// with returns c with the fields of now that can change while the server runs. Those that depend on others are not derived.
func (c *Config) with(now *Config) *Config {
	next := *c
	next.sources = maps.Clone(c.sources)
	a, b := reflect.ValueOf(&next).Elem(), reflect.ValueOf(now).Elem()
	for _, f := range settings().fields {
		if !f.live {
			continue
		}
		f.of(a).Set(f.of(b))
		maps.DeleteFunc(next.sources, func(path string, _ Source) bool { return under(path, f.path) })
		for path, from := range now.sources {
			if under(path, f.path) {
				next.sources[path] = from
			}
		}
	}
	next.Access.Anonymous, next.Access.Users = now.given.anonymous, now.given.users
	return &next
}

// under reports whether a path is that of a field, or of one of its rows.
func under(path, field string) bool { return path == field || strings.HasPrefix(path, field+"[") }

// NamesFiles reports whether there is a file that a reload would read again, or a certificate authority that it would ask
// again.
func (c *Config) NamesFiles() bool {
	if len(c.TLS.ACME.Domains) > 0 {
		return true
	}
	v := reflect.ValueOf(c).Elem()
	for _, f := range settings().fields {
		file := strings.HasPrefix(f.placeholder, "FILE") && f.path != "cpuprofile" && !strings.HasPrefix(f.path, "nats.") && !strings.HasPrefix(f.path, "cluster.") || f.path == "access.key"
		if value := f.of(v); file && value.Len() > 0 {
			return true
		}
	}
	return false
}
