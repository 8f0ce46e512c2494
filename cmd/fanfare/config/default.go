package config

import (
	"fmt"
	"reflect"
)

// Default returns the configuration without a file, flags and environment.
func Default() *Config {
	c := defaults()
	c.derive()
	return c
}

// defaults returns the defaults of all fields but those that derive adds.
func defaults() *Config {
	c := &Config{sources: make(map[string]Source)}
	v := reflect.ValueOf(c).Elem()
	for _, f := range settings().fields {
		text, given := f.tag.Lookup("default")
		if !given {
			continue
		}
		if err := set(f.of(v), f.tag, text); err != nil {
			panic(fmt.Sprintf("config: the default of %s: %v", f.path, err))
		}
	}
	return c
}

// derive sets the fields whose defaults depend on others.
func (c *Config) derive() {
	all := []string{}
	if !c.Credentials() {
		all = []string{">"}
	}
	for _, p := range []*[]string{&c.Access.Anonymous.Write, &c.Access.Anonymous.Manage} {
		if *p == nil {
			*p = all
		}
	}
}

// Credentials reports whether callers can have rights by a key, a token or the backend's answer.
func (c *Config) Credentials() bool {
	return c.Access.TokenFile != "" || len(c.Access.Keys) > 0 || len(c.Token.Algorithms) > 0 || c.Backend.Connect != ""
}
