package hub

import (
	"fmt"
	"strings"
)

// creator is the originator of a topic: an owner that the program names, or a member.
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

// creatorOf returns the creator of a topic that begins for the subscriber to.
func creatorOf(owner string, to Subscriber) creator {
	m, _ := to.(*Member)
	return creator{owner, m}
}

// roomLocked returns an error if there is no room for another topic of that owner, or of any
// owner.
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

// ownerLocked returns the owner with that key; nil if the key is "".
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

// ownLocked counts t, which has begun, for its owner.
func (h *Hub) ownLocked(t *Topic, o *owner) {
	t.owner = o
	for ; o != nil; o = o.of {
		if o.topics++; t.pattern {
			o.patterns++
		}
		h.owners[o.key] = o
	}
}

// disownLocked no longer counts t, which has ended, for its owner.
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

// subscriptionsFree returns how many more subscriptions the hub has room for.
func (h *Hub) subscriptionsFree() int {
	return h.opts.MaxAllSubscriptions - int(h.subscriptions.Load())
}

// admit counts another subscription, if there is room. It counts before it checks, so that
// concurrent calls cannot exceed the limit.
func (h *Hub) admit() error {
	if h.subscriptions.Add(1) > int64(h.opts.MaxAllSubscriptions) {
		h.subscriptions.Add(-1)
		return fmt.Errorf("%w: there are %d at this server", ErrTooMany, h.opts.MaxAllSubscriptions)
	}
	return nil
}

// admitFar counts bytes for people at other nodes, if there is room: a quarter of the limit is left to
// the people here, whose subscriptions fail beyond it.
func (h *Hub) admitFar(bytes int64) bool {
	if h.presentBytes.Add(bytes) > h.opts.MaxPresence-h.opts.MaxPresence/4 {
		h.presentBytes.Add(-bytes)
		return false
	}
	return true
}

// admitPresent counts bytes of presence lists, if there is room.
func (h *Hub) admitPresent(bytes int64) error {
	if h.presentBytes.Add(bytes) > h.opts.MaxPresence {
		h.presentBytes.Add(-bytes)
		return fmt.Errorf("%w: the presence lists of this server are full: the limit is %d bytes", ErrTooMany, h.opts.MaxPresence)
	}
	return nil
}
