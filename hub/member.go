package hub

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fanfare-ws/fanfare/hub/strictjson"
)

// Identity describes a [Member].
type Identity struct {
	User string          // "" if anonymous; for others see [Hub.NewMember]
	Data json.RawMessage // sent to others by presence; JSON, which must not be modified
	// Owner is the owner of the topics that the member creates; for an anonymous client its
	// address is best, so that many connections get no more than one. The connection is a part
	// of that owner. If Owner is "", the user is the owner, or this connection if there is no
	// user. See Options.MaxTopicsPerOwner.
	Owner string
	// Value belongs to the program: Member.Value returns it, and the hub does not use it.
	Value any
	// Expires is the time at which the identity is no longer valid; zero for never. The hub does
	// not use it. Package session tells it to clients; the program ends their connections.
	Expires time.Time
}

// NewMember returns a member for a connection. Each user has a topic, whose name is @ and the
// user's name, and whose subscribers are all connections of the user. If id has a user, the
// member is subscribed to that topic as o says, so publishing to it sends to the user's
// connections at all nodes, and [Hub.Disconnect] closes all of them. The name of a user follows
// the rules for topics, see [CheckUser]; o is not used if there is no user. NewMember fails if
// the data is not JSON or too long, or if the subscription fails.
func (h *Hub) NewMember(to Subscriber, id Identity, o SubscribeOptions) (*Member, error) {
	if len(id.Data) > 0 {
		if err := strictjson.Check(id.Data); err != nil { // everybody in a topic gets the data
			return nil, fmt.Errorf("hub: the data of a member: %w", err)
		}
	}
	if n, most := len(id.Data), h.opts.MaxPresenceData; n > most {
		return nil, fmt.Errorf("hub: the data of a member has %d bytes; the limit is %d", n, most)
	}
	m := &Member{hub: h, to: to, user: id.User, data: string(id.Data), num: h.members.Add(1)}
	m.SetValue(id.Value)
	if key := id.Owner; key != "" {
		m.key = &key
	}
	if id.User == "" {
		return m, nil
	}
	if err := CheckUser(id.User); err != nil {
		return nil, err
	}
	m.subs = []*Subscription{new(Subscription)}
	if _, err := h.Subscribe(UserTopic(id.User), m.subs[0], m, o); err != nil {
		return nil, err
	}
	return m, nil
}

// ID returns a short name that no other member of the hub has.
func (m *Member) ID() string { return strconv.FormatUint(m.num, 36) }

// To returns the connection that the member was made for.
func (m *Member) To() Subscriber { return m.to }

// User returns the name of the user, "" if the member is anonymous.
func (m *Member) User() string { return m.user }

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

// Publish sends msg to the subscribers of the topic, with the member among them unless it is
// msg.Exclude. The member need not be subscribed. The topics of other users are forbidden.
func (m *Member) Publish(name string, msg Message) (Receipt, error) {
	switch s := m.Subscription(name); {
	case s != nil && !IsPattern(name):
		return s.Publish(msg)
	case IsUserTopic(name):
		return Receipt{}, fmt.Errorf("%w: %q", ErrForbidden, name)
	}
	return m.hub.publishBy(creator{member: m}, name, msg)
}

// PublishAsync is Publish without waiting for the broker: see [Hub.PublishAsync].
func (m *Member) PublishAsync(name string, msg Message, done func(Receipt, error)) {
	if IsUserTopic(name) && m.Subscription(name) == nil {
		done(Receipt{}, fmt.Errorf("%w: %q", ErrForbidden, name))
		return
	}
	m.hub.publishAsyncBy(creator{member: m}, name, msg, done)
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

// Leave ends all subscriptions of the member for good, as [Subscription.Unsubscribe] does for
// one. The caller must call it when the connection has ended.
func (m *Member) Leave() {
	m.mu.Lock()
	subs := m.subs
	m.left, m.subs = true, nil
	m.mu.Unlock()
	for _, s := range subs {
		m.leave(s, nil, true)
	}
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

// resumed resumes the presence events of s's topic together with s.
func (m *Member) resumed(s *Subscription) {
	if s.shard.topic.presence == nil {
		return
	}
	m.mu.Lock()
	events := m.subLocked(presenceTopicName(s.Topic()))
	m.mu.Unlock()
	if events != nil {
		events.Resume()
	}
}

// Loop returns the loop of the connection.
func (m *Member) Loop() int { return m.to.Loop() }

// Close closes the connection at once; its owner must then call [Member.Leave]. See
// [Member.Disconnect].
func (m *Member) Close(why CloseReason) { m.to.Close(why) }

// Disconnect closes the connection when it has got what was published before in all its topics; a
// slow one within the limits of its topics and Options.EndTimeout. It does not wait. A second
// call does nothing.
func (m *Member) Disconnect(why CloseReason) { m.endAll(&closeAction{why}) }
