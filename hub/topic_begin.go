package hub

import (
	"fmt"
	"strings"
)

// topic returns the topic with that name, creating it on behalf of by if there is none. Its
// error wraps ErrTooManyTopics, or says what is wrong with the topic's options.
func (h *Hub) topic(name string, by creator) (*Topic, error) {
	if t := h.lookup(name); t != nil {
		return t, nil
	}
	name = strings.Clone(name)   // it may be part of a long URI
	opts := h.topicOptions(name) // under no lock, since it may call the program
	if err := opts.check(); err != nil {
		return nil, fmt.Errorf("hub: the options of the topic %q: %w", name, err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.topics[name]
	if t == nil {
		var o *owner
		if !IsUserTopic(name) { // a connection creates at most one of these
			o = h.ownerLocked(by.key())
		}
		if err := h.roomLocked(name, o); err != nil {
			return nil, err
		}
		t = newTopic(h, name, h.shareLocked(opts))
		h.topics[t.name] = t
		h.index.insert(t)
		h.ownLocked(t, o)
		if t.pattern {
			h.patterns.insert(t.name, t)
			h.patternsAt.Add(1)
		}
		if t.opts.History.kept() {
			h.aging[t] = struct{}{}
			h.sweepLaterLocked()
		}
	}
	return t, nil
}

// newTopic makes a topic. Called under Hub.mu.
func newTopic(h *Hub, name string, o *TopicOptions) *Topic {
	t := &Topic{hub: h, name: name, pattern: IsPattern(name), opts: o, epoch: h.newEpoch(), log: log{next: 1}}
	if h.node != nil {
		t.remote = &remote{local: h.node.passes(o) || h.node.strays.has(name)}
		if !t.remote.local {
			t.epoch = 0
			t.reserveLocked()
		}
	}
	if t.opts.Slow == Conflate {
		t.log.keys = make(map[string]uint64)
	}
	if t.opts.Presence && !t.pattern && !IsUserTopic(name) {
		t.presence = newPresence(t)
		h.roster.adopt(t.presence)
	}
	return t
}

// topicOptions returns the options of a topic, with the defaults filled in.
func (h *Hub) topicOptions(name string) (o TopicOptions) {
	if h.opts.Topic != nil {
		if given := h.opts.Topic(name); given != nil {
			o = *given
		}
	}
	o.fill()
	return o
}

// shareLocked returns a copy of o. Most topics have the same options as the one created before,
// and share them.
func (h *Hub) shareLocked(o TopicOptions) *TopicOptions {
	if h.filled == nil || *h.filled != o {
		shared := o
		h.filled = &shared
	}
	return h.filled
}

// rule returns the options of the topic with that name, whether it exists or not. They may lack the
// defaults, and must not be changed.
func (h *Hub) rule(name string) *TopicOptions {
	if t := h.lookup(name); t != nil {
		return t.opts
	}
	if h.opts.Topic != nil {
		if o := h.opts.Topic(name); o != nil {
			return o
		}
	}
	return new(TopicOptions)
}

// keeps reports whether the topic with that name has history.
func (h *Hub) keeps(name string) bool { return h.rule(name).History.kept() }
