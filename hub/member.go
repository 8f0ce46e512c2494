package hub

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// Member is a connection that takes part in any number of topics. Its methods are safe from any
// goroutine. It is the [Subscriber] of its subscriptions, so a publisher passes the *Member as
// Message.Exclude to leave it out.
type Member struct {
	hub  *Hub
	to   Subscriber
	user string
	data string              // Identity.Data, which does not change
	val  atomic.Pointer[any] // Identity.Value; nil if it is nil
	key  *string             // Identity.Owner; nil if ""
	num  uint64

	mu      sync.Mutex // before the locks of the hub; not held while the broker is waited for
	left    bool
	away    bool            // Leave was called
	wild    uint32          // subscriptions by pattern
	subs    []*Subscription // sorted by name, with the user's topic; a map would weigh five times as much
	joining *joining        // subscriptions under way, which are not in subs yet

	drain atomic.Pointer[drain] // created on first need
}

// joining is a subscription of a member that is under way, perhaps waiting for the broker.
type joining struct {
	next   *joining
	name   string
	count  int // of subscriptions: 2 with presence
	sub    *Subscription
	events *Subscription // nil without presence
	ended  *completion   // the server has ended sub meanwhile; guarded by Member.mu
}

// drain collects the member's subscriptions that wait for the connection to drain, so that the
// connection needs to notify only one waiter. They are scheduled in turn, drainAtATime at a
// time, and the next ones when the data of the earlier ones has left: there may be thousands,
// and room for the first few only.
type drain struct {
	member  *Member
	shared  atomic.Bool  // a write was queued since the connection drained
	backlog atomic.Int64 // bytes that the member's subscriptions have yet to get

	mu           sync.Mutex // taken after all other locks, a connection's own included
	waiting      []interface{ Schedule() }
	stale        int                        // subscriptions in waiting without flagWaits: forget has forgotten them
	leaving      map[string][]*Subscription // by topic: subscriptions that have left, and still have a backlog
	leavingCount int                        // subscriptions in leaving
	task         Task                       // created on first need
}

// ID returns a short name that no other member of the hub has.
func (m *Member) ID() string { return strconv.FormatUint(m.num, 36) }

// To returns the connection that the member was made for.
func (m *Member) To() Subscriber { return m.to }

// User returns the name of the user, "" if the member is anonymous.
func (m *Member) User() string { return m.user }

// Owner returns the Identity.Owner, or the user if that is "".
func (m *Member) Owner() string {
	if m.key != nil {
		return *m.key
	}
	return m.user
}

// Value returns the Identity.Value that the member was made with, or that of the last SetValue. It
// takes no lock.
func (m *Member) Value() any {
	if v := m.val.Load(); v != nil {
		return *v
	}
	return nil
}

// SetValue replaces what Value returns. Both may be called from any goroutine.
func (m *Member) SetValue(v any) {
	if v == nil {
		m.val.Store(nil)
		return
	}
	m.val.Store(&v)
}

// Subscription returns the subscription to a topic or pattern, also that to the user's topic;
// nil if there is none.
func (m *Member) Subscription(name string) *Subscription {
	if IsUserTopic(name) && (m.user == "" || name != UserTopic(m.user)) {
		return nil // such a name may belong to a presence topic
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.subLocked(name)
}

// Topics returns the names of the topics and patterns that the member has subscribed to, sorted,
// without the user's topic.
func (m *Member) Topics() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	names := make([]string, 0, len(m.subs))
	for _, s := range m.subs {
		if name := s.Topic(); !IsUserTopic(name) {
			names = append(names, name)
		}
	}
	return names
}

// findLocked returns the index of a subscription in subs, or the index at which to insert it.
func (m *Member) findLocked(name string) (i int, ok bool) {
	return slices.BinarySearchFunc(m.subs, name, func(s *Subscription, name string) int {
		return strings.Compare(s.Topic(), name)
	})
}

func (m *Member) subLocked(name string) *Subscription {
	if i, ok := m.findLocked(name); ok {
		return m.subs[i]
	}
	return nil
}

func (m *Member) addLocked(s *Subscription) {
	i, _ := m.findLocked(s.Topic())
	m.subs = slices.Insert(m.subs, i, s)
	if s.shard.topic.pattern {
		m.wild++
	}
}

// dropLocked removes a subscription from subs, and returns it; nil if there was none.
func (m *Member) dropLocked(name string) *Subscription {
	i, ok := m.findLocked(name)
	if !ok {
		return nil
	}
	s := m.subs[i]
	if m.subs = slices.Delete(m.subs, i, i+1); len(m.subs) < cap(m.subs)/4 {
		m.subs = slices.Clone(m.subs)
	}
	if s.shard.topic.pattern {
		m.wild--
	}
	return s
}

// Loop returns the loop of the connection.
func (m *Member) Loop() int { return m.to.Loop() }

// Close closes the connection at once; its owner must then call [Member.Leave]. See
// [Member.Disconnect].
func (m *Member) Close(why CloseReason) { m.to.Close(why) }

// person returns the member as a Person.
func (m *Member) person() Person {
	if m.user != "" {
		return Person{ID: m.user, Data: json.RawMessage(m.data)}
	}
	return Person{ID: m.ID(), Anonymous: true, Data: json.RawMessage(m.data)}
}
