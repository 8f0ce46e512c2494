package config

import (
	"errors"
	"fmt"
	"time"

	"github.com/fanfare-ws/fanfare/hub"
)

// Topic is a rule for the topics whose names match a pattern. A value of 0 is the hub's default.
type Topic struct {
	Pattern       string        `placeholder:"PATTERN" example:"\"prices.>\"" help:"the topics to which it applies, such as prices.> or room.*; @> for the topics of users"`
	Slow          string        `placeholder:"POLICY" example:"\"conflate\"" help:"what happens to a subscriber that lags behind by more than limit: disconnect, drop-newest, drop-oldest or conflate"`
	Limit         Size          `placeholder:"BYTES" min:"1" example:"\"256KiB\"" help:"how far a subscriber may lag behind"`
	LimitMessages int           `placeholder:"NUMBER" min:"1" unit:"number of messages" example:"1000" help:"the same, in messages"`
	History       int           `placeholder:"MESSAGES" min:"1" unit:"number of messages" example:"1000" help:"messages that the topic keeps for subscribers that come back"`
	Bytes         Size          `placeholder:"BYTES" min:"1" example:"\"4MiB\"" help:"bytes of messages that it keeps"`
	Age           time.Duration `placeholder:"TIME" min:"1" example:"\"10m\"" help:"time for which it keeps them"`
	Unstored      bool          `example:"true" help:"whether the nodes of a cluster pass its messages on without storing them, for cursors and the like: cheaper, but only the messages of one publisher have an order, and what a node misses is lost. Excludes history"`
	Presence      bool          `example:"true" help:"whether the topic tracks the people in it"`
	Grace         time.Duration `placeholder:"TIME" min:"1" example:"\"5s\"" help:"time without a connection after which a person leaves"`
}

// UsersPattern matches the topics of all users. No other pattern matches them.
const UsersPattern = "@>"

// maxBytes is the largest size in a rule.
const maxBytes = 1 << 40

// columnError is why the value of a column cannot be right.
type columnError struct {
	column string
	err    error
}

// check returns all columns whose values cannot be right.
func (t *Topic) check() (all []columnError) {
	if t.Pattern != UsersPattern {
		if err := checkPattern(t.Pattern); err != nil {
			all = append(all, columnError{"pattern", err})
		}
	}
	if _, err := t.policy(); err != nil {
		all = append(all, columnError{"slow", errors.New(clean(err))})
	}
	if t.Unstored && (t.History > 0 || t.Bytes > 0) {
		all = append(all, columnError{"unstored", errors.New("unstored and history exclude each other; leave out history and bytes, or unstored")})
	}
	for _, c := range []struct {
		key  string
		size Size
	}{{"limit", t.Limit}, {"bytes", t.Bytes}} {
		if c.size > maxBytes {
			all = append(all, columnError{c.key, fmt.Errorf("%v is too much; it must be at most 1TiB", c.size)})
		}
	}
	return all
}

func checkPattern(pattern string) error {
	if err := hub.CheckPattern(pattern); err != nil {
		return fmt.Errorf("%q is not a pattern: %s", pattern, clean(err))
	}
	return nil
}

func (t *Topic) policy() (hub.SlowPolicy, error) {
	if t.Slow == "" {
		return hub.SlowPolicy(0), nil
	}
	return hub.ParseSlowPolicy(t.Slow)
}

// Options returns the options of the rule's topics.
func (t *Topic) Options() hub.TopicOptions {
	slow, _ := t.policy() // check has refused others
	return hub.TopicOptions{
		Slow: slow, Limit: hub.Limit{Bytes: int(t.Limit), Messages: t.LimitMessages},
		History:  hub.History{Messages: t.History, Bytes: int(t.Bytes), Age: t.Age},
		Unstored: t.Unstored, Presence: t.Presence, PresenceGrace: t.Grace,
	}
}
