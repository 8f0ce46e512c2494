package hub

import (
	"sync"
	"sync/atomic"

	"github.com/fanfare-ws/fanfare/wsproto"
)

// Topic is a name with subscribers.
type Topic struct {
	hub     *Hub
	name    string
	evicted atomic.Int64

	mu     sync.Mutex
	last   uint64 // number of the last message; they count from 1
	count  int    // subscribers
	ended  bool
	groups []*group // by loop; nil where there was no subscriber yet
}

// Subscription is a subscriber's place in a topic. It is kept by value where the
// subscriber's other state is. Its methods are safe from any goroutine.
type Subscription struct {
	to    Subscriber
	group *group
	from  uint64 // number of the last message before it
	slot  int32  // in group.list
	gone  atomic.Bool
	skip  bool // for the walk: it published one of the batch
}

func (t *Topic) add(s *Subscription, to Subscriber) bool {
	i := to.Loop() % len(t.groups)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return false
	}
	if t.groups[i] == nil {
		t.groups[i] = newGroup(t, i)
	}
	s.to, s.group, s.from = to, t.groups[i], t.last
	s.group.add(s)
	t.count++
	return true
}

// Unsubscribe takes the subscriber out of its topic. Only a delivery that is under
// way at this moment may still reach it. A second call does nothing.
func (s *Subscription) Unsubscribe() {
	if s.group == nil || s.gone.Swap(true) {
		return
	}
	t := s.group.topic
	t.mu.Lock()
	s.group.remove(s)
	t.count--
	last := t.count == 0
	t.mu.Unlock()
	if last {
		t.hub.drop(t)
	}
}

// Publish sends p to the others of the topic, and to the subscriber itself if echo
// is set, and returns the number of receivers. Only who has subscribed may call it.
func (s *Subscription) Publish(p *wsproto.Prepared, echo bool) (receivers int) {
	if echo {
		return s.group.topic.publish(p, nil)
	}
	return s.group.topic.publish(p, s)
}

// Topic returns the name of the topic.
func (s *Subscription) Topic() string { return s.group.topic.name }

func (t *Topic) publish(p *wsproto.Prepared, except *Subscription) (receivers int) {
	t.hub.published.Add(1)
	var full []*group
	t.mu.Lock()
	t.last++
	receivers = t.count
	for _, g := range t.groups {
		if g != nil && g.put(entry{p, t.last, except}) {
			full = append(full, g)
		}
	}
	t.mu.Unlock()
	if except != nil && !except.gone.Load() {
		receivers--
	}
	for _, g := range full {
		g.help()
	}
	return receivers
}

func (t *Topic) stats() TopicStats {
	t.mu.Lock()
	defer t.mu.Unlock()
	return TopicStats{t.name, t.count, t.last, t.evicted.Load()}
}
