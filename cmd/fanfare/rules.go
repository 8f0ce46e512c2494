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

// rule says how the topics are kept whose names match a pattern.
type rule struct {
	pattern string
	options hub.TopicOptions
}

// rules are asked in their order: the first that matches counts.
type rules []rule

// usersPattern stands for the topics of all users, which no other pattern matches.
const usersPattern = "@>"

// parseRule reads what follows -topic: PATTERN key=value ...
func parseRule(s string) (rule, error) {
	words := strings.Fields(s)
	if len(words) == 0 {
		return rule{}, errors.New("it is empty; it takes a pattern and how its topics are kept, such as 'news.> history=100'")
	}
	r := rule{pattern: words[0]}
	if r.pattern != usersPattern {
		if err := hub.CheckPattern(r.pattern); err != nil {
			return r, fmt.Errorf("%q is no pattern: %s", r.pattern, plain(err))
		}
	}
	seen := make(map[string]bool)
	for _, word := range words[1:] {
		key, value, _ := strings.Cut(word, "=")
		set := ruleKeys[key]
		switch {
		case set == nil:
			return r, fmt.Errorf("there is no %q; there are %s", word, ruleHelp)
		case seen[key]:
			return r, fmt.Errorf("%q stands there twice", key)
		}
		seen[key] = true
		if err := set(&r.options, value); err != nil {
			return r, fmt.Errorf("%q: %w", word, err)
		}
	}
	return r, nil
}

const ruleHelp = "slow=POLICY limit=BYTES limit-messages=NUMBER history=MESSAGES bytes=BYTES age=TIME presence grace=TIME"

// ruleKeys are what can stand in a rule.
var ruleKeys = map[string]func(o *hub.TopicOptions, value string) error{
	"slow": func(o *hub.TopicOptions, value string) (err error) {
		if o.Slow, err = hub.ParseSlow(value); err != nil {
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
			return errors.New("presence stands alone, without a value")
		}
		return nil
	},
}

func parseTime(s string, d *time.Duration) (err error) {
	if *d, err = time.ParseDuration(s); err != nil || *d <= 0 {
		return errors.New("it takes a time, such as 90s, 10m or 24h")
	}
	return nil
}

func parseCount(s string, n *int) (err error) {
	if *n, err = strconv.Atoi(s); err != nil || *n < 1 {
		return errors.New("it takes a number of messages, at least 1")
	}
	return nil
}

// parseBytes reads a size, as all flags take it.
func parseBytes(s string, n *int) (err error) {
	if *n, err = daemon.ParseSize(s); err == nil && (*n < 1 || *n > maxBytes) {
		err = errors.New("it takes 1 byte to 1TiB, such as 65536, 64KiB or 4MiB")
	}
	return err
}

// maxBytes is the most that a rule keeps of a topic.
const maxBytes = 1 << 40

// topicOptions returns a hub's Options.Topic: the results are shared by all topics of a
// rule. Who states no limit has that of the connection.
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

// matches reports whether the rule is about the topic, or the pattern, of that name.
func (r *rule) matches(name string) bool {
	user := hub.IsUserTopic(name)
	if user || r.pattern == usersPattern {
		return user && r.pattern == usersPattern
	}
	return hub.Matches(r.pattern, name)
}
