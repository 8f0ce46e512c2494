package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/internal/daemon"
	"github.com/fanfare-ws/fanfare/hub"
)

// rule has the options of the topics whose names match a pattern.
type rule struct {
	pattern string
	options hub.TopicOptions
}

// rules are in the order of their priority: the first one that matches applies.
type rules []rule

// usersPattern matches the topics of all users. No other pattern matches them.
const usersPattern = "@>"

// parseRule parses the value of -topic: PATTERN key=value ...
func parseRule(s string) (rule, error) {
	words := strings.Fields(s)
	if len(words) == 0 {
		return rule{}, errors.New("the rule is empty; write a pattern and the options of its topics, such as 'news.> history=100'")
	}
	r := rule{pattern: words[0]}
	if r.pattern != usersPattern {
		if err := hub.CheckPattern(r.pattern); err != nil {
			return r, fmt.Errorf("%q is not a pattern: %s", r.pattern, plain(err))
		}
	}
	seen := make(map[string]bool)
	for _, word := range words[1:] {
		key, value, _ := strings.Cut(word, "=")
		set := ruleKeys[key]
		switch {
		case set == nil:
			return r, fmt.Errorf("%q is not an option of topics; the options are %s", word, ruleHelp)
		case seen[key]:
			return r, fmt.Errorf("option %q is given twice", key)
		}
		seen[key] = true
		if err := set(&r.options, value); err != nil {
			return r, fmt.Errorf("%q: %w", word, err)
		}
	}
	return r, nil
}

const ruleHelp = "slow=POLICY limit=BYTES limit-messages=NUMBER history=MESSAGES bytes=BYTES age=TIME presence grace=TIME"

// ruleKeys has the function that sets each option.
var ruleKeys = map[string]func(o *hub.TopicOptions, value string) error{
	"slow": func(o *hub.TopicOptions, value string) (err error) {
		if o.Slow, err = hub.ParseSlowPolicy(value); err != nil {
			return errors.New(plain(err))
		}
		return nil
	},
	"limit":          func(o *hub.TopicOptions, value string) error { return parseBytes(value, &o.Limit.Bytes) },
	"limit-messages": func(o *hub.TopicOptions, value string) error { return parseCount(value, &o.Limit.Messages) },
	"history":        func(o *hub.TopicOptions, value string) error { return parseCount(value, &o.History.Messages) },
	"bytes":          func(o *hub.TopicOptions, value string) error { return parseBytes(value, &o.History.Bytes) },
	"age":            func(o *hub.TopicOptions, value string) error { return parseTime(value, &o.History.Age) },
	"grace":          func(o *hub.TopicOptions, value string) error { return parseTime(value, &o.PresenceGrace) },
	"presence": func(o *hub.TopicOptions, value string) error {
		if o.Presence = true; value != "" {
			return errors.New("presence does not take a value")
		}
		return nil
	},
}

func parseTime(s string, d *time.Duration) (err error) {
	if *d, err = time.ParseDuration(s); err != nil || *d <= 0 {
		return errors.New("the value must be a duration, such as 90s, 10m or 24h")
	}
	return nil
}

func parseCount(s string, n *int) (err error) {
	if *n, err = strconv.Atoi(s); err != nil || *n < 1 {
		return errors.New("the value must be a number of messages, at least 1")
	}
	return nil
}

// parseBytes parses a size in the form that flags have.
func parseBytes(s string, n *int) (err error) {
	if *n, err = daemon.ParseSize(s); err == nil && (*n < 1 || *n > maxBytes) {
		err = errors.New("the value must be from 1 byte to 1TiB, such as 65536, 64KiB or 4MiB")
	}
	return err
}

// maxBytes is the largest size in a rule.
const maxBytes = 1 << 40

// topicOptions returns a function for a hub's Options.Topic. All topics of a rule share one result. A rule without a limit
// has maxPending, the limit of a connection.
func (rs rules) topicOptions(maxPending int) func(name string) *hub.TopicOptions {
	all := append(append(rules(nil), rs...), rule{pattern: ">"}, rule{pattern: usersPattern})
	for i := range all {
		if l := &all[i].options.Limit; l.Bytes == 0 {
			l.Bytes = maxPending
		}
	}
	return func(name string) *hub.TopicOptions {
		for i := range all {
			if all[i].matches(name) {
				return &all[i].options
			}
		}
		return nil
	}
}

// matches reports whether the rule applies to the topic, or the pattern, of that name.
func (r *rule) matches(name string) bool {
	user := hub.IsUserTopic(name)
	if user || r.pattern == usersPattern {
		return user && r.pattern == usersPattern
	}
	return hub.Matches(r.pattern, name)
}
