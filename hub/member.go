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
	"github.com/fanfare-ws/fanfare/wsproto"
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
// it is what Message.Except must be to leave it out of what it publishes.
type Member struct {
	hub  *Hub
	to   Subscriber
	user string
	data string // Identity.Data, which must not change
	val  any
	key  *string // Identity.Owner; nil if none
	num  uint64
	own  *Subscription // to its user's topic; nil if anonymous

	mu   sync.Mutex // before those of the hub
	left bool
	wild uint32          // subscriptions by pattern
	subs []*Subscription // sorted by name; a map would weigh five times as much

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
	m.own = new(Subscription)
	if _, err := h.Subscribe(UserTopic(id.User), m.own, m, o); err != nil {
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
		lingering = d.cutShort(name)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch most, wild := m.hub.opts.MaxSubscriptions, m.hub.opts.MaxPatterns; {
	case m.left:
		return nil, Position{}, ErrLeft
	case m.subLocked(name) != nil:
		return nil, Position{}, fmt.Errorf("%w: %q", ErrSubscribed, name)
	case len(m.subs)+lingering+more > share*m.hub.subscriptionsFree():
		return nil, Position{}, fmt.Errorf("%w: there are nearly as many as there may be at this server", ErrTooMany)
	case len(m.subs)+lingering+more > most:
		return nil, Position{}, fmt.Errorf("%w: a connection may have %d; unsubscribe from some, or use a pattern", ErrTooMany, most)
	case IsPattern(name) && int(m.wild) >= wild:
		return nil, Position{}, fmt.Errorf("%w: a connection may have %d by pattern; unsubscribe from some, or use one that matches more", ErrTooMany, wild)
	}
	s := new(Subscription)
	at, err := m.hub.Subscribe(name, s, m, o)
	if err != nil {
		return nil, at, err
	}
	if o.Presence != nil {
		if err := m.attendLocked(s, o); err != nil {
			s.Unsubscribe()
			return nil, at, err
		}
	}
	m.addLocked(s)
	return s, at, nil
}

// attendLocked has the member told who is in the topic of s, and who comes and goes.
func (m *Member) attendLocked(s *Subscription, o SubscribeOptions) (err error) {
	p := s.group.topic.presence
	if p == nil {
		return fmt.Errorf("%w: %q", ErrNoPresence, s.Topic())
	}
	events := new(Subscription)
	if *o.Presence, err = p.attend(events, m, o.Paused); err == nil {
		m.addLocked(events)
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
	if m.hub.link != nil && m.Subscription(name) != nil {
		m.hub.link.sync()
	}
	f := &farewell{then: then, blocks: true}
	f.left.Store(3)
	m.mu.Lock()
	s, events := m.dropLocked(name), m.dropLocked(companionName(name))
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
		s.settle()
	}
	f.ended(nil, false)
	return nil
}

// Ender is a [Subscriber] of a member that lives on when the server ends one of its
// subscriptions: see [Hub.Disconnect]. Any other is closed then.
type Ender interface {
	// Ended is called when the member has been unsubscribed, and has got what was published
	// before: by the caller of Hub.Disconnect, or by a goroutine of its own.
	Ended(name string, code wsproto.Code, reason string)
}

// end ends a subscription on behalf of the server; that to the user's topic with the
// connection.
func (m *Member) end(s *Subscription, how *closing) {
	to, lives := m.to.(Ender)
	if !lives || s == m.own {
		m.endAll(how)
		return
	}
	name := s.Topic()
	var events *Subscription
	m.mu.Lock()
	there := m.subLocked(name) == s
	if there {
		m.dropLocked(name)
		events = m.dropLocked(companionName(name))
	}
	m.mu.Unlock()
	if !there {
		return
	}
	f := &farewell{then: func() { to.Ended(name, how.code, how.reason) }, blocks: true}
	f.left.Store(1)
	if events != nil {
		f.left.Store(2)
		m.leave(events, f, false)
	}
	m.leave(s, f, false)
}

// endAll closes the connection, when it has got what was published before in all its topics,
// those that it is leaving included. A second call does nothing.
func (m *Member) endAll(how *closing) {
	m.mu.Lock()
	subs, left := m.subs, m.left
	m.left, m.subs, m.wild = true, nil, 0
	m.mu.Unlock()
	if left {
		return
	}
	if d := m.drain.Load(); d != nil {
		subs = append(subs, d.lingering()...)
	}
	if m.own != nil {
		subs = append(subs, m.own)
	}
	f := &farewell{then: func() { m.Close(how.code, how.reason) }}
	f.left.Store(int32(len(subs)) + 1)
	for _, s := range subs {
		m.leave(s, f, false)
	}
	f.ended(nil, false)
}

// leave has a subscription leave that the member does not list any more.
func (m *Member) leave(s *Subscription, how ending, own bool) {
	if !s.leave(how, own) {
		m.draining().linger(s)
	}
}

// hasLeft takes note that s gets nothing any more.
func (m *Member) hasLeft(s *Subscription) {
	if d := m.drain.Load(); d != nil {
		d.forget(s)
	}
}

// Publish sends msg to the subscribers of the topic, the member among them unless it
// is msg.Except. It need not be subscribed.
func (m *Member) Publish(name string, msg Message) (Receipt, error) {
	switch s := m.Subscription(name); {
	case s != nil && !IsPattern(name):
		return s.Publish(msg)
	case IsUserTopic(name):
		return Receipt{}, fmt.Errorf("%w: %q", ErrForbidden, name)
	}
	return m.hub.publishBy(maker{member: m}, name, msg)
}

// Subscription returns the subscription to a topic or pattern, that to the user's
// topic included, or nil.
func (m *Member) Subscription(name string) *Subscription {
	if m.own != nil && name == m.own.Topic() {
		return m.own
	}
	if IsUserTopic(name) {
		return nil
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
	if m.own != nil {
		m.leave(m.own, nil, true)
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
	if s.group.topic.pattern {
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
	if s.group.topic.pattern {
		m.wild--
	}
	return s
}

// resumed has the events about who is in the topic of s go on with it.
func (m *Member) resumed(s *Subscription) {
	if s.group.topic.presence == nil {
		return
	}
	m.mu.Lock()
	events := m.subLocked(companionName(s.Topic()))
	m.mu.Unlock()
	if events != nil {
		events.Resume()
	}
}

// Loop is that of the connection.
func (m *Member) Loop() int { return m.to.Loop() }

// Close closes the connection; see [Member.Leave] for what is due then.
func (m *Member) Close(code wsproto.Code, reason string) { m.to.Close(code, reason) }
