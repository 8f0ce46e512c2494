package main

import (
	"sync/atomic"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/config"
	"github.com/fanfare-ws/fanfare/hub"
)

// rule has the options of the topics whose names match a pattern.
type rule struct {
	pattern string
	options hub.TopicOptions
}

// rules are in the order of their priority: the first one that matches applies. They can be replaced while the hub runs; a
// topic that exists keeps its options.
type rules struct{ current atomic.Pointer[[]rule] }

// set replaces the rules. All topics of a rule share its options. A rule without a limit has maxPending, the limit of a
// connection.
func (rs *rules) set(topics []config.Topic, maxPending config.Size) {
	all := make([]rule, 0, len(topics)+2)
	for i := range topics {
		all = append(all, rule{topics[i].Pattern, topics[i].Options()})
	}
	all = append(all, rule{pattern: ">"}, rule{pattern: config.UsersPattern})
	for i := range all {
		if l := &all[i].options.Limit; l.Bytes == 0 {
			l.Bytes = int(maxPending)
		}
	}
	rs.current.Store(&all)
}

// options is the hub's Options.Topic.
func (rs *rules) options(name string) *hub.TopicOptions {
	all := *rs.current.Load()
	for i := range all {
		if all[i].matches(name) {
			return &all[i].options
		}
	}
	return nil
}

// matches reports whether the rule applies to the topic, or the pattern, of that name.
func (r *rule) matches(name string) bool {
	user := hub.IsUserTopic(name)
	if user || r.pattern == config.UsersPattern {
		return user && r.pattern == config.UsersPattern
	}
	return hub.Matches(r.pattern, name)
}
