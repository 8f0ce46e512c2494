package hub

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// TopicOptions configure a topic. The zero value keeps no history and disconnects slow
// subscribers.
type TopicOptions struct {
	Slow    SlowPolicy // one of the constants; applies to a subscriber that lags behind by more than Limit
	Limit   Limit      // the defaults are documented at its fields
	History History    // is kept for subscribers that resume or ask for it
	// Presence has the topic track its members; see Hub.Presence. Patterns and the topics of
	// users have no presence.
	Presence bool
	// Unstored has the broker pass messages on without storing them: see [Unstorer]. It is cheaper,
	// and for messages that soon mean nothing, such as cursors, and it excludes History. The messages of
	// each publisher keep their order, but nodes may see those of different publishers in different
	// orders, and a message that is lost on its way is not delivered later. The positions of the
	// topic belong to one node: a subscriber that resumes at another one is told about a gap. A
	// receipt has no position, and says only that the message was sent. After a lost connection to
	// the broker, subscribers are closed with the cause MessagesLost, as after any gap.
	//
	// The options of a pattern must say so too if unstored topics match it. Without a broker, or
	// with one that cannot do it, Unstored means nothing. It has to be the same at all nodes; where it is
	// not, messages are delivered too, but subscribers may be closed with the cause MessagesLost.
	Unstored bool
	// PresenceGrace is how long a person must be away before the topic announces that the person
	// has left; 2 s if 0, no time if negative.
	PresenceGrace time.Duration
}

// SlowPolicy is a topic's policy for slow subscribers. A subscriber that lags behind by less
// than the topic's Limit loses nothing under any policy.
type SlowPolicy uint8

// Limit bounds how far a subscriber may lag behind. Each message counts with its data and
// another 224 bytes, which is the memory for holding it; a key counts with the bytes beyond 32.
type Limit struct {
	Bytes    int // 1 MiB if 0
	Messages int // no limit besides Bytes if 0
}

// DefaultLimit is the Limit.Bytes of topics that state none.
const DefaultLimit = 1 << 20

// History bounds the history of a topic; the bound that is reached first applies. There is no
// history if Messages and Bytes are both 0. Of the patterns without subscribers only the latest
// 64 keep their history.
type History struct {
	Messages int           // no limit on the number if 0
	Bytes    int           // as in Limit; 64 MiB if 0
	Age      time.Duration // an hour if 0; a topic without subscribers ends when its history has expired
}

// check returns an error if the options cannot be right.
func (o *TopicOptions) check() error {
	if int(o.Slow) >= len(slowPolicyNames) {
		return fmt.Errorf("TopicOptions.Slow is %v; it must be one of %s", o.Slow, strings.Join(slowPolicyNames[:], ", "))
	}
	if o.Unstored && o.History.kept() {
		return errors.New("TopicOptions has both Unstored and History; a topic whose messages are not stored has no history")
	}
	return nil
}

func (h History) kept() bool { return h.Messages > 0 || h.Bytes > 0 }

// unlimited is the number of messages that means no limit.
const unlimited = 1 << 62

// DefaultPresenceGrace is the TopicOptions.PresenceGrace of topics that state none.
const DefaultPresenceGrace = 2 * time.Second

// WithDefaults returns o with its zero fields replaced by the defaults.
func (o TopicOptions) WithDefaults() TopicOptions {
	o.fill()
	return o
}

// fill replaces zero fields by the defaults.
func (o *TopicOptions) fill() {
	if o.Limit.Bytes <= 0 {
		o.Limit.Bytes = DefaultLimit
	}
	if o.Limit.Messages <= 0 {
		o.Limit.Messages = unlimited
	}
	if o.PresenceGrace == 0 {
		o.PresenceGrace = DefaultPresenceGrace
	}
	h := &o.History
	if !h.kept() {
		return
	}
	if h.Messages <= 0 {
		h.Messages = unlimited
	}
	if h.Bytes <= 0 {
		h.Bytes = 64 << 20
	}
	if h.Age <= 0 {
		h.Age = time.Hour
	}
}
