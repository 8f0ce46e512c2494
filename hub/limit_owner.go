package hub

import (
	"fmt"
	"strings"
)

// What bounds all together, in hubs whose Options state none.
const (
	DefaultMaxAllPatterns      = 16384
	DefaultMaxAllSubscriptions = 1 << 24
	DefaultMaxPresenceData     = 128 << 10
)

// owner is who had topics made: a user, an address, a connection, or whatever the program
// tells apart. Guarded by Hub.mu.
type owner struct {
	key      string
	of       *owner // of which this is a part; nil if of none
	topics   int    // that it made and that there are, patterns included
	patterns int
}

// creator is who has a topic begin: on whose behalf, as the program says, or a member.
type creator struct {
	owner  string
	member *Member
}

// key returns the key of the owner, "" if there is none.
func (c creator) key() string {
	switch {
	case c.member == nil:
		return c.owner
	case c.member.key != nil:
		return *c.member.key + "/#" + c.member.ID()
	case c.member.user != "":
		return UserTopic(c.member.user)
	}
	return "#" + c.member.ID()
}

// creatorOf returns who makes a topic for to.
func creatorOf(owner string, to Subscriber) creator {
	m, _ := to.(*Member)
	return creator{owner, m}
}

// share is how many times what is free one owner may have. So, however many are greedy,
// something stays free, and who has less can still take of it: one leaves a ninth of the room,
// a dozen of them 1 in 97.
const share = 8

// roomLocked returns an error if there is no room for another topic of that owner, or for
// anybody's.
func (h *Hub) roomLocked(name string, o *owner) error {
	topics, patterns := h.opts.MaxTopics-len(h.topics), h.opts.MaxAllPatterns-h.patterns.size
	pattern := IsPattern(name)
	switch {
	case topics <= 0:
		return fmt.Errorf("%w: there are %d, so %q cannot begin before another ends", ErrTooManyTopics, h.opts.MaxTopics, name)
	case pattern && patterns <= 0:
		return fmt.Errorf("%w: there are %d patterns, so %q cannot begin before another ends", ErrTooManyTopics, h.opts.MaxAllPatterns, name)
	case o.room(h.opts.MaxTopicsPerOwner, topics, func(o *owner) int { return o.topics }) <= 0:
		return fmt.Errorf("%w of one owner: it has %d, so %q cannot begin before another of them ends", ErrTooManyTopics, o.topics, name)
	case pattern && o.room(h.opts.MaxAllPatterns, patterns, func(o *owner) int { return o.patterns }) <= 0:
		return fmt.Errorf("%w of one owner: it has %d patterns, so %q cannot begin before another of them ends", ErrTooManyTopics, o.patterns, name)
	}
	return nil
}

// room returns how many more the owner may have, of which it has as many as count says: no
// more than most, nor than its share of what is free, or of what there is room for in the
// owner of which it is a part.
func (o *owner) room(most, free int, count func(*owner) int) int {
	if o == nil {
		return free
	}
	if o.of != nil {
		free = o.of.room(most, free, count)
	}
	return min(most, share*free) - count(o)
}

// ownerLocked returns the owner with that key, nil if it is "".
func (h *Hub) ownerLocked(key string) *owner {
	if key == "" {
		return nil
	}
	if o := h.owners[key]; o != nil {
		return o
	}
	o := &owner{key: key}
	if i := strings.LastIndexByte(key, '/'); i > 0 {
		o.of = h.ownerLocked(key[:i])
	}
	return o
}

// ownLocked takes note that t has begun.
func (h *Hub) ownLocked(t *Topic, o *owner) {
	t.owner = o
	for ; o != nil; o = o.of {
		if o.topics++; t.pattern {
			o.patterns++
		}
		h.owners[o.key] = o
	}
}

// disownLocked takes note that t has ended.
func (h *Hub) disownLocked(t *Topic) {
	for o := t.owner; o != nil; o = o.of {
		if o.topics--; t.pattern {
			o.patterns--
		}
		if o.topics == 0 {
			delete(h.owners, o.key)
		}
	}
	t.owner = nil
}

// subscriptionsFree returns how many more subscriptions there may be.
func (h *Hub) subscriptionsFree() int {
	return h.opts.MaxAllSubscriptions - int(h.subscriptions.Load())
}

// admit counts another subscription, if there is room. It counts first, so that many at once
// are no more than there may be.
func (h *Hub) admit() error {
	if h.subscriptions.Add(1) > int64(h.opts.MaxAllSubscriptions) {
		h.subscriptions.Add(-1)
		return fmt.Errorf("%w: there are %d at this server", ErrTooMany, h.opts.MaxAllSubscriptions)
	}
	return nil
}

// admitPresent counts so many more bytes of who is present, if there is room.
func (h *Hub) admitPresent(bytes int64) error {
	if h.presentBytes.Add(bytes) > h.opts.MaxPresence {
		h.presentBytes.Add(-bytes)
		return fmt.Errorf("%w: who is present takes %d bytes at this server, which is the limit", ErrTooMany, h.opts.MaxPresence)
	}
	return nil
}
