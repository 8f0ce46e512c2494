package hub

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/fanfare-ws/fanfare/hub/strictjson"
)

// Identity says who a [Member] is.
type Identity struct {
	User string          // "" if anonymous; else see [Hub.NewMember]
	Data json.RawMessage // what presence tells of the member; JSON, which must not change
	// Owner is on whose behalf the member makes topics: best the address of an anonymous
	// client, so that many connections are no more than one; the connection is a part of
	// that. If it is "", it is the user, or this connection. See Options.MaxTopicsPerOwner.
	Owner string
	// Value is the program's own, of whatever type: Member.Value returns it, and nobody
	// else looks at it.
	Value any
}

// Errors of a [Member]. What is returned wraps them, with the name of the topic.
var (
	ErrSubscribed    = errors.New("hub: subscribed already")
	ErrNotSubscribed = errors.New("hub: not subscribed")
	ErrForbidden     = errors.New("hub: not allowed, since names that begin with @ are those of users")
	ErrTooMany       = errors.New("hub: too many subscriptions")
	ErrLeft          = errors.New("hub: the member has left")
)

// DefaultMaxSubscriptions is the Options.MaxSubscriptions of hubs that state none.
const DefaultMaxSubscriptions = 16384

// DefaultMaxPatterns is the Options.MaxPatterns of hubs that state none.
const DefaultMaxPatterns = 256

// Member is a connection that takes part in any number of topics. Its methods are
// safe from any goroutine. It is the [Subscriber] of its subscriptions, so
// it is what Message.Exclude must be to leave it out of what it publishes.
type Member struct {
	hub  *Hub
	to   Subscriber
	user string
	data string // Identity.Data, which must not change
	val  any
	key  *string // Identity.Owner; nil if none
	num  uint64

	mu      sync.Mutex // before those of the hub; nobody waits for a broker with it
	left    bool
	wild    uint32          // subscriptions by pattern
	subs    []*Subscription // sorted by name; the user's topic too; a map would weigh five times as much
	joining *joining        // subscriptions under way, not in subs yet

	drain atomic.Pointer[drain] // made when it is needed for the first time
}

// NewMember returns a member for a connection. A user has a topic, whose name is @ and
// the user's, and whose subscribers are all connections of the user; the member is
// subscribed to it as o says. So to publish to it is to send to the user, wherever
// that is, and [Hub.Disconnect] closes all of the user. A user's name is as that of a
// topic, see [CheckName]; o is without meaning if there is none.
func (h *Hub) NewMember(to Subscriber, id Identity, o SubscribeOptions) (*Member, error) {
	if len(id.Data) > 0 {
		if err := strictjson.Check(id.Data); err != nil { // else all in a topic would be sent what they cannot read
			return nil, fmt.Errorf("hub: the data of a member: %w", err)
		}
	}
	if n, most := len(id.Data), h.opts.MaxPresenceData; n > most {
		return nil, fmt.Errorf("hub: the data of a member has %d bytes; at most %d are allowed", n, most)
	}
	m := &Member{hub: h, to: to, user: id.User, data: string(id.Data), val: id.Value, num: h.members.Add(1)}
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

// ID returns a short name for the member that no other of its hub has.
func (m *Member) ID() string { return strconv.FormatUint(m.num, 36) }

// To returns the connection that the member was made for.
func (m *Member) To() Subscriber { return m.to }

// User returns the name of the user, "" if the member is anonymous.
func (m *Member) User() string { return m.user }

// Value returns the Identity.Value that the member was made with.
func (m *Member) Value() any { return m.val }

// Subscribe adds the member to a topic, or to those that match a pattern, as
// [Hub.Subscribe] does. What follows presence is a subscription, too, and counts for
// Options.MaxSubscriptions.
func (m *Member) Subscribe(name string, o SubscribeOptions) (*Subscription, Position, error) {
	if IsUserTopic(name) {
		return nil, Position{}, fmt.Errorf("%w: %q", ErrForbidden, name)
	}
	more := 1
	if o.Presence != nil {
		more = 2
	}
	lingering := 0
	if d := m.drain.Load(); d != nil {
		lingering = d.abandonLeaving(name)
	}
	j := &joining{name: name, sub: new(Subscription), count: more}
	m.mu.Lock()
	err := m.beginLocked(j, lingering)
	m.mu.Unlock()
	if err != nil {
		return nil, Position{}, err
	}
	at, err := m.hub.Subscribe(name, j.sub, m, o)
	if err == nil && o.Presence != nil {
		err = m.subscribePresence(j, o)
	}
	if err = m.joined(j, err); err != nil {
		return nil, at, err
	}
	return j.sub, at, nil
}

// joining is a subscription of a member that is under way: it waits for the broker, perhaps.
type joining struct {
	next   *joining
	name   string
	count  int // subscriptions that it comes to
	sub    *Subscription
	events *Subscription // nil without presence
	ended  *closeAction  // the server has ended it meanwhile; under Member.mu
}

// beginLocked notes that a subscription is under way, unless the member may not have it.
func (m *Member) beginLocked(j *joining, lingering int) error {
	has, wild := len(m.subs)+lingering, int(m.wild)
	if m.user != "" {
		has-- // its own topic
	}
	for other := m.joining; other != nil; other = other.next {
		if other.name == j.name {
			return fmt.Errorf("%w: %q", ErrSubscribed, j.name)
		}
		has += other.count
		if IsPattern(other.name) {
			wild++
		}
	}
	switch most, mostWild := m.hub.opts.MaxSubscriptions, m.hub.opts.MaxPatterns; {
	case m.left:
		return ErrLeft
	case m.subLocked(j.name) != nil:
		return fmt.Errorf("%w: %q", ErrSubscribed, j.name)
	case has+j.count > share*m.hub.subscriptionsFree():
		return fmt.Errorf("%w: there are nearly as many as there may be at this server", ErrTooMany)
	case has+j.count > most:
		return fmt.Errorf("%w: a connection may have %d; unsubscribe from some, or use a pattern", ErrTooMany, most)
	case IsPattern(j.name) && wild >= mostWild:
		return fmt.Errorf("%w: a connection may have %d by pattern; unsubscribe from some, or use one that matches more", ErrTooMany, mostWild)
	}
	j.next, m.joining = m.joining, j
	return nil
}

// joined ends what beginLocked began: the member has the subscription, or err.
func (m *Member) joined(j *joining, err error) error {
	m.mu.Lock()
	for at := &m.joining; *at != nil; at = &(*at).next {
		if *at == j {
			*at = j.next
			break
		}
	}
	if err == nil && m.left {
		err = ErrLeft
	}
	if err == nil {
		m.addLocked(j.sub)
		if j.events != nil {
			m.addLocked(j.events)
		}
	}
	ended := j.ended
	m.mu.Unlock()
	switch {
	case err != nil:
		j.sub.Unsubscribe() // which does nothing if it has not begun
		if j.events != nil {
			j.events.Unsubscribe()
		}
	case ended != nil:
		m.end(j.sub, ended)
	}
	return err
}

// subscribePresence has the member told who is in the topic of j, and who comes and goes.
func (m *Member) subscribePresence(j *joining, o SubscribeOptions) error {
	p := j.sub.shard.topic.presence
	if p == nil {
		return fmt.Errorf("%w: %q", ErrNoPresence, j.name)
	}
	events := new(Subscription)
	all, err := p.subscribe(events, m, o)
	if err == nil {
		*o.Presence, j.events = all, events
	}
	return err
}

// Unsubscribe takes the member out of a topic, or of those that match a pattern: an event in
// the topic's order, as [Subscription.Unsubscribe]. When it returns the connection has got
// all that was published before, and nothing comes after that; unless the connection is
// slow: see UnsubscribeThen. It waits for a delivery that is under way, which no slow
// subscriber holds up; and with a [Broker] that is a [Syncer] for what is on its way.
func (m *Member) Unsubscribe(name string) error { return m.UnsubscribeThen(name, func() {}) }

// UnsubscribeThen is Unsubscribe, and has then called when the connection has got all that
// was published before, or Options.EndTimeout is over: before it returns, or, if the
// connection is slow, by another goroutine. then is not called if there is an error. A
// subscription to the same topic that begins meanwhile ends the wait: the rest is dropped.
func (m *Member) UnsubscribeThen(name string, then func()) error {
	if IsUserTopic(name) {
		return fmt.Errorf("%w: %q", ErrForbidden, name)
	}
	if m.hub.node != nil && m.Subscription(name) != nil {
		m.hub.node.sync()
	}
	f := &completion{then: then, blocks: true}
	f.left.Store(3)
	m.mu.Lock()
	s, events := m.dropLocked(name), m.dropLocked(presenceTopicName(name))
	m.mu.Unlock()
	if s == nil {
		return fmt.Errorf("%w: %q", ErrNotSubscribed, name)
	}
	for _, s := range [...]*Subscription{events, s} {
		if s == nil {
			f.left.Add(-1)
			continue
		}
		m.leave(s, f, true)
		s.deliverRestNow()
	}
	f.ended(nil, false)
	return nil
}

// UnsubscribeHandler is a [Subscriber] of a member that lives on when the server ends one of
// its subscriptions: see [Hub.Disconnect]. Any other is closed then.
type UnsubscribeHandler interface {
	// OnUnsubscribe is called when the server has unsubscribed the member, and it has got what
	// was published before: by the caller of Hub.Disconnect, or by a goroutine of its own.
	OnUnsubscribe(topic string, why CloseReason)
}

// end ends a subscription on behalf of the server; that to the user's topic with the
// connection.
func (m *Member) end(s *Subscription, how *closeAction) {
	to, lives := m.to.(UnsubscribeHandler)
	if !lives || IsUserTopic(s.Topic()) && !s.shard.topic.presenceTopic {
		m.endAll(how)
		return
	}
	name := s.Topic()
	var events *Subscription
	m.mu.Lock()
	there := m.subLocked(name) == s
	if there {
		m.dropLocked(name)
		events = m.dropLocked(presenceTopicName(name))
	}
	for j := m.joining; j != nil; j = j.next {
		if j.sub == s {
			j.ended = how // joined sees to it
		}
	}
	m.mu.Unlock()
	if !there {
		return
	}
	f := &completion{then: func() { to.OnUnsubscribe(name, how.CloseReason) }, blocks: true}
	f.left.Store(1)
	if events != nil {
		f.left.Store(2)
		m.leave(events, f, false)
	}
	m.leave(s, f, false)
}

// endAll closes the connection, when it has got what was published before in all its topics,
// those that it is leaving included. A second call does nothing.
func (m *Member) endAll(how *closeAction) {
	m.mu.Lock()
	subs, left := m.subs, m.left
	m.left, m.subs, m.wild = true, nil, 0
	m.mu.Unlock()
	if left {
		return
	}
	if d := m.drain.Load(); d != nil {
		subs = append(subs, d.allLeaving()...)
	}
	f := &completion{then: func() { m.Close(how.CloseReason) }}
	f.left.Store(int32(len(subs)) + 1)
	for _, s := range subs {
		m.leave(s, f, false)
	}
	f.ended(nil, false)
}

// leave has a subscription leave that the member does not list any more.
func (m *Member) leave(s *Subscription, how endAction, own bool) {
	if !s.leave(how, own) {
		m.draining().addLeaving(s)
	}
}

// hasLeft takes note that s gets nothing any more.
func (m *Member) hasLeft(s *Subscription) {
	if d := m.drain.Load(); d != nil {
		d.forget(s)
	}
}

// Publish sends msg to the subscribers of the topic, the member among them unless it
// is msg.Exclude. It need not be subscribed.
func (m *Member) Publish(name string, msg Message) (Receipt, error) {
	switch s := m.Subscription(name); {
	case s != nil && !IsPattern(name):
		return s.Publish(msg)
	case IsUserTopic(name):
		return Receipt{}, fmt.Errorf("%w: %q", ErrForbidden, name)
	}
	return m.hub.publishBy(creator{member: m}, name, msg)
}

// PublishAsync is Publish, but does not wait for the broker: see [Hub.PublishAsync].
func (m *Member) PublishAsync(name string, msg Message, done func(Receipt, error)) {
	if m.hub.node == nil || IsUserTopic(name) {
		done(m.Publish(name, msg))
		return
	}
	m.hub.publishAsyncBy(creator{member: m}, name, msg, done)
}

// Subscription returns the subscription to a topic or pattern, that to the user's
// topic included, or nil.
func (m *Member) Subscription(name string) *Subscription {
	if IsUserTopic(name) && (m.user == "" || name != UserTopic(m.user)) {
		return nil // of presence, perhaps
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.subLocked(name)
}

// Topics returns what the member has subscribed to, sorted.
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

// Leave ends the member's part in everything, for good, as [Subscription.Unsubscribe] does
// for one. It has to be called when the connection has ended.
func (m *Member) Leave() {
	m.mu.Lock()
	subs := m.subs
	m.left, m.subs = true, nil
	m.mu.Unlock()
	for _, s := range subs {
		m.leave(s, nil, true)
	}
}

// findLocked returns the place of a subscription, or that where it would be.
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

// dropLocked takes a subscription out of the list, and returns it, nil if there was none.
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

// resumed has the events about who is in the topic of s go on with it.
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

// Loop is that of the connection.
func (m *Member) Loop() int { return m.to.Loop() }

// Close closes the connection; see [Member.Leave] for what is due then.
func (m *Member) Close(why CloseReason) { m.to.Close(why) }
