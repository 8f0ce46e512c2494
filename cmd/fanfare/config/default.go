package config

import (
	"fmt"
	"reflect"
	"slices"
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

// derive sets the fields whose defaults depend on others, and remembers what was given.
func (c *Config) derive() {
	c.given = rightsGiven{c.Access.Anonymous, c.Access.Users}
	a, u := &c.Access.Anonymous, &c.Access.Users
	topics, all := []string{">"}, []string{">", "@>"}
	switch {
	case c.Token.Configured() || c.Backend.Connect != "" || c.Backend.Subscribe != "": // which is asked only where there is no right
		topics, all = []string{}, []string{}
	case c.Access.TokenFile != "" || len(c.Access.Keys) > 0 || c.Backend.Publish != "":
		all = []string{}
	}
	setUnset(&a.Read, topics)
	setUnset(&a.List, topics)
	setUnset(&a.Write, all)
	setUnset(&a.Manage, all)
	setUnset(&u.Read, a.Read)
	setUnset(&u.List, a.List)
	setUnset(&u.Write, a.Write)
	setUnset(&u.Manage, a.Manage)
	if c.NATS.Replicas == 0 {
		c.NATS.Replicas = c.Cluster.replicas()
	}
}

func setUnset(p *[]string, to []string) {
	if *p == nil {
		*p = slices.Clone(to)
	}
}
