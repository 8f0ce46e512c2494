package main

import (
	"strings"
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
type rules struct {
	current atomic.Pointer[ruleList]
	cluster bool // the server is part of a cluster; set before the hub starts
}

type ruleList []rule

// set replaces the rules. All topics of a rule share its options. A rule without a limit has maxPending, the limit of a
// connection.
func (rs *rules) set(topics []config.Topic, maxPending config.Size) {
	all := make(ruleList, 0, len(topics)+2)
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
			if o := &all[i].options; !rs.cluster || o.Unstored || !hub.IsPattern(name) {
				return o
			}
			return all.forPattern(name, &all[i].options)
		}
	}
	return nil
}

// forPattern returns the options of a pattern that o applies to. A pattern that unstored topics match is unstored too: the
// history of a cluster has not their messages, so a client would resume in it without what it has missed of them.
func (all ruleList) forPattern(name string, o *hub.TopicOptions) *hub.TopicOptions {
	for i := range all {
		if r := &all[i]; r.options.Unstored && r.pattern != config.UsersPattern && overlap(r.pattern, name) {
			unstored := *o
			unstored.Unstored, unstored.History = true, hub.History{}
			return &unstored
		}
	}
	return o
}

// overlap reports whether two patterns have topics in common.
func overlap(a, b string) bool {
	for {
		x, restA, moreA := strings.Cut(a, ".")
		y, restB, moreB := strings.Cut(b, ".")
		switch {
		case x == ">" || y == ">":
			return true
		case x != "*" && y != "*" && x != y:
			return false
		case !moreA || !moreB:
			return moreA == moreB
		}
		a, b = restA, restB
	}
}

// matches reports whether the rule applies to the topic, or the pattern, of that name.
func (r *rule) matches(name string) bool {
	user := hub.IsUserTopic(name)
	if user || r.pattern == config.UsersPattern {
		return user && r.pattern == config.UsersPattern
	}
	return hub.Matches(r.pattern, name)
}
