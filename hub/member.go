package hub

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/fanfare-ws/fanfare/wsproto"
)

// Identity says who a [Member] is.
type Identity struct {
	User string          // "" if anonymous; else see [Hub.NewMember]
	Data json.RawMessage // what presence tells of the member; JSON, which must not change
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

// Member is a connection that takes part in any number of topics. Its methods are
// safe from any goroutine. It is the [Subscriber] of its subscriptions, and what
// Message.Except is to be for what it publishes.
type Member struct {
	hub *Hub
	to  Subscriber
	id  Identity
	num uint64
	own *Subscription // to its user's topic; nil if anonymous

	mu   sync.Mutex // before those of the hub
	left bool
	subs map[string]*Subscription
	news map[string]*Subscription // to the presence of those topics; nil if there never was one

	// Of those of its subscriptions that wait for the connection to drain.
	waitMu  sync.Mutex // after all others: WhenDrained may schedule under the connection's
	waiting []interface{ Schedule() }
	shared  atomic.Bool // one had something queued since the connection drained
}

// NewMember returns a member for a connection. A user has a topic, whose name is @ and
// the user's, and whose subscribers are all connections of the user; the member is
// subscribed to it as o says. So to publish to it is to send to the user, wherever
// that is, and [Hub.Disconnect] closes all of the user. A user's name is as that of a
// topic, see [CheckName]; o is without meaning if there is none.
func (h *Hub) NewMember(to Subscriber, id Identity, o SubscribeOptions) (*Member, error) {
	if len(id.Data) > 0 && !json.Valid(id.Data) {
		return nil, errors.New("hub: the data of a member is not JSON")
	}
	m := &Member{hub: h, to: to, id: id, num: h.members.Add(1), subs: make(map[string]*Subscription)}
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

// User returns the name of the user, "" if the member is anonymous.
func (m *Member) User() string { return m.id.User }

// Subscribe adds the member to a topic, or to those that match a pattern, as
// [Hub.Subscribe] does.
func (m *Member) Subscribe(name string, o SubscribeOptions) (*Subscription, Position, error) {
	if isReserved(name) {
		return nil, Position{}, fmt.Errorf("%w: %q", ErrForbidden, name)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch most := m.hub.opts.MaxSubscriptions; {
	case m.left:
		return nil, Position{}, ErrLeft
	case m.subs[name] != nil:
		return nil, Position{}, fmt.Errorf("%w: %q", ErrSubscribed, name)
	case len(m.subs) >= most:
		return nil, Position{}, fmt.Errorf("%w: a connection may have %d; unsubscribe from some, or use a pattern", ErrTooMany, most)
	}
	s := new(Subscription)
	at, err := m.hub.Subscribe(name, s, m, o)
	if err != nil {
		return nil, at, err
	}
	if o.Presence != nil {
		if err := m.attend(s, o); err != nil {
			s.Unsubscribe()
			return nil, at, err
		}
	}
	m.subs[s.Topic()] = s
	return s, at, nil
}

// Unsubscribe takes the member out of a topic, or of those that match a pattern. What
// has not been delivered will not be.
func (m *Member) Unsubscribe(name string) error {
	if isReserved(name) {
		return fmt.Errorf("%w: %q", ErrForbidden, name)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.subs[name]
	if s == nil {
		return fmt.Errorf("%w: %q", ErrNotSubscribed, name)
	}
	delete(m.subs, name)
	m.drop(s)
	if s := m.news[name]; s != nil {
		delete(m.news, name)
		m.drop(s)
	}
	return nil
}

// attend has the member told who is in the topic of s, and who comes and goes.
func (m *Member) attend(s *Subscription, o SubscribeOptions) (err error) {
	p := s.group.topic.presence
	if p == nil {
		return fmt.Errorf("%w: %q", ErrNoPresence, s.Topic())
	}
	news := new(Subscription)
	if *o.Presence, err = p.attend(news, m, o.Paused); err != nil {
		return err
	}
	if m.news == nil {
		m.news = make(map[string]*Subscription)
	}
	m.news[s.Topic()] = news
	return nil
}

// resumed has what came with s go on, too.
func (m *Member) resumed(s *Subscription) {
	m.mu.Lock()
	news := m.news[s.Topic()]
	m.mu.Unlock()
	if news != nil {
		news.Resume()
	}
}

// Publish sends msg to the subscribers of the topic, the member among them unless it
// is msg.Except. It need not be subscribed.
func (m *Member) Publish(name string, msg Message) (Receipt, error) {
	switch s := m.Subscription(name); {
	case s != nil && !isPattern(name):
		return s.Publish(msg), nil
	case isReserved(name):
		return Receipt{}, fmt.Errorf("%w: %q", ErrForbidden, name)
	}
	return m.hub.Publish(name, msg)
}

// Subscription returns the subscription to a topic or pattern, that to the user's
// topic included, or nil.
func (m *Member) Subscription(name string) *Subscription {
	if m.own != nil && name == m.own.Topic() {
		return m.own
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.subs[name]
}

// Topics returns what the member has subscribed to, sorted.
func (m *Member) Topics() []string {
	m.mu.Lock()
	names := make([]string, 0, len(m.subs))
	for name := range m.subs {
		names = append(names, name)
	}
	m.mu.Unlock()
	slices.Sort(names)
	return names
}

// Leave ends the member's part in everything, for good. It has to be called when the
// connection has ended.
func (m *Member) Leave() {
	m.mu.Lock()
	subs, news := m.subs, m.news
	m.left, m.subs, m.news = true, nil, nil
	m.mu.Unlock()
	for _, s := range subs {
		s.Unsubscribe()
	}
	for _, s := range news {
		s.Unsubscribe()
	}
	if m.own != nil {
		m.own.Unsubscribe()
	}
	m.waitMu.Lock()
	m.waiting = nil // all of them are gone
	m.waitMu.Unlock()
}

// Loop is that of the connection.
func (m *Member) Loop() int { return m.to.Loop() }

// SendPrepared hands messages to the connection.
func (m *Member) SendPrepared(p *wsproto.Prepared) wsproto.Outcome {
	o := m.to.SendPrepared(p)
	if o == wsproto.Queued {
		m.shared.Store(true)
	}
	return o
}

// Close closes the connection; see [Member.Leave] for what is due then.
func (m *Member) Close(code wsproto.Code, reason string) { m.to.Close(code, reason) }

// WhenDrained collects those that wait for the connection, which takes one only. Each
// subscription is there once at most: it is not handed anything while it waits.
func (m *Member) WhenDrained(t interface{ Schedule() }) {
	m.waitMu.Lock()
	if s, ok := t.(*Subscription); ok && s.gone() {
		m.waitMu.Unlock()
		return
	}
	m.waiting = append(m.waiting, t)
	m.waitMu.Unlock()
	m.to.WhenDrained(m) // after it was added: so whoever drains the connection sees it
}

// Schedule is called when the connection has drained. Who was refused because another
// was faster is before that one the next time: the order goes around.
func (m *Member) Schedule() {
	m.waitMu.Lock()
	due := m.waiting
	m.waiting = nil
	m.shared.Store(false)
	m.waitMu.Unlock()
	for i := range due {
		due[(i+1)%len(due)].Schedule()
	}
}

// drop ends s, and takes it from those that wait.
func (m *Member) drop(s *Subscription) {
	s.Unsubscribe()
	m.waitMu.Lock()
	m.waiting = slices.DeleteFunc(m.waiting, func(t interface{ Schedule() }) bool { return t == s })
	m.waitMu.Unlock()
}

// crowded reports whether a subscriber that refuses a message may do so because of
// what it took of another topic, and not because of the message.
func crowded(to Subscriber) bool {
	m, ok := to.(*Member)
	return ok && m.shared.Load()
}
