package hub

import "fmt"

// DefaultMaxAllPatterns is the Options.MaxAllPatterns of hubs that state none, and
// DefaultMaxAllSubscriptions that of the subscriptions.
const (
	DefaultMaxAllPatterns      = 16384
	DefaultMaxAllSubscriptions = 1 << 24
)

// owner is who had topics made: a user, an address, or whatever the program tells apart.
// Guarded by Hub.mu.
type owner struct {
	key      string
	topics   int // that it made and that there are, patterns included
	patterns int
}

// share is how many times what is free one owner may have. So, however many are greedy,
// something stays free, and who has less can still take of it: two leave a seventeenth, and
// a hundred of them 1 in 801.
const share = 8

// roomLocked returns an error if there is no room for another topic of that owner, or for
// anybody's.
func (h *Hub) roomLocked(name string, o *owner) error {
	topics, patterns := h.opts.MaxTopics-len(h.topics), h.opts.MaxAllPatterns-h.patterns.size
	pattern := IsPattern(name)
	switch {
	case topics <= 0:
		return fmt.Errorf("%w: there are %d, so %q cannot begin before another ends", ErrFull, h.opts.MaxTopics, name)
	case pattern && patterns <= 0:
		return fmt.Errorf("%w: there are %d patterns, so %q cannot begin before another ends", ErrFull, h.opts.MaxAllPatterns, name)
	case o == nil:
		return nil
	case o.topics >= min(h.opts.MaxTopicsPerOwner, share*topics):
		return fmt.Errorf("%w of one owner: it has %d, so %q cannot begin before another of them ends", ErrFull, o.topics, name)
	case pattern && o.patterns >= share*patterns:
		return fmt.Errorf("%w of one owner: it has %d patterns, so %q cannot begin before another of them ends", ErrFull, o.patterns, name)
	}
	return nil
}

// ownerLocked returns the owner with that key, nil if it is "".
func (h *Hub) ownerLocked(key string) *owner {
	if key == "" {
		return nil
	}
	if o := h.owners[key]; o != nil {
		return o
	}
	return &owner{key: key}
}

// ownLocked takes note that t has begun.
func (h *Hub) ownLocked(t *Topic, o *owner) {
	if o == nil {
		return
	}
	t.owner = o
	o.topics++
	if t.pattern {
		o.patterns++
	}
	h.owners[o.key] = o
}

// disownLocked takes note that t has ended.
func (h *Hub) disownLocked(t *Topic) {
	o := t.owner
	if o == nil {
		return
	}
	t.owner = nil
	o.topics--
	if t.pattern {
		o.patterns--
	}
	if o.topics == 0 {
		delete(h.owners, o.key)
	}
}

// subscriptionsFree returns how many more subscriptions there may be.
func (h *Hub) subscriptionsFree() int {
	return h.opts.MaxAllSubscriptions - int(h.subscriptions.Load())
}

// roomLocked returns an error if there is no room for another subscriber of any topic, or for
// another one present in this.
func (t *Topic) roomLocked(to Subscriber) error {
	h := t.hub
	if h.subscriptionsFree() <= 0 {
		return fmt.Errorf("%w: there are %d at this server", ErrTooMany, h.opts.MaxAllSubscriptions)
	}
	if m, ok := to.(*Member); ok && t.presence != nil && h.presentBytes.Load()+presentWeight(m.person()) > h.opts.MaxPresence {
		return fmt.Errorf("%w: who is present takes %d bytes at this server, which is the limit", ErrTooMany, h.opts.MaxPresence)
	}
	return nil
}

// owner returns whose topics are those that the member has made.
func (m *Member) owner() string {
	switch {
	case m.key != nil:
		return *m.key
	case m.user != "":
		return UserTopic(m.user)
	}
	return "#" + m.ID()
}
