package config

import (
	"fmt"
	"strings"
	"time"

	"github.com/fanfare-ws/fanfare/hub"
)

// Topic is a rule for the topics whose names match a pattern. A value of 0 is the hub's default.
type Topic struct {
	Pattern       string        `placeholder:"PATTERN" help:"the topics to which it applies, such as prices.> or room.*; @> for the topics of users"`
	Slow          string        `placeholder:"POLICY" help:"what happens to a subscriber that lags behind by more than limit: disconnect, drop-newest, drop-oldest or conflate"`
	Limit         Size          `placeholder:"BYTES" min:"1" help:"how far a subscriber may lag behind"`
	LimitMessages int           `placeholder:"NUMBER" min:"1" unit:"number of messages" help:"the same, in messages"`
	History       int           `placeholder:"MESSAGES" min:"1" unit:"number of messages" help:"messages that the topic keeps for subscribers that come back"`
	Bytes         Size          `placeholder:"BYTES" min:"1" help:"bytes of messages that it keeps"`
	Age           time.Duration `placeholder:"TIME" min:"1" help:"time for which it keeps them"`
	Presence      bool          `help:"whether the topic tracks the people in it"`
	Grace         time.Duration `placeholder:"TIME" min:"1" help:"time without a connection after which a person leaves"`
}

// usersPattern matches the topics of all users. No other pattern matches them.
const usersPattern = "@>"

// maxBytes is the largest size in a rule.
const maxBytes = 1 << 40

// check returns an error about the first value that cannot be right.
func (t *Topic) check() error {
	if t.Pattern != usersPattern {
		if err := hub.CheckPattern(t.Pattern); err != nil {
			return fmt.Errorf("%q is not a pattern: %s", t.Pattern, plain(err))
		}
	}
	if t.Slow != "" {
		if _, err := hub.ParseSlowPolicy(t.Slow); err != nil {
			return fmt.Errorf("%q: %s", "slow="+t.Slow, plain(err))
		}
	}
	for key, size := range map[string]Size{"limit": t.Limit, "bytes": t.Bytes} {
		if size > maxBytes {
			return fmt.Errorf("%s is %v; it must be at most 1TiB", key, size)
		}
	}
	return nil
}

// plain returns the text of an error of the hub without the name of the package.
func plain(err error) string { return strings.TrimPrefix(err.Error(), "hub: ") }
