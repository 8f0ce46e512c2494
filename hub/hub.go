package hub

import (
	"errors"
	"sort"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/fanfare-ws/fanfare/wsproto"
)

// Subscriber takes what is published. Its methods are called from any goroutine
// and must not block. *wsproto.Conn is one.
type Subscriber interface {
	// Loop says which group the subscriber belongs to; it does not change.
	Loop() int
	// SendPrepared takes messages, or refuses them whole. It must not panic.
	SendPrepared(p *wsproto.Prepared) wsproto.Outcome
	// Close is called when the subscriber is evicted. It has to unsubscribe
	// as part of its end.
	Close(code wsproto.Code, reason string)
}

// Task is work that runs soon after each Schedule, one run at a time, and never
// within Schedule, which is called under locks. *netpoll.Task is one.
type Task interface{ Schedule() }

// Options configures a [Hub]. The zero value works.
type Options struct {
	// Groups is the number of groups of a topic: Subscriber.Loop is below it;
	// 1 if 0.
	Groups int
	// NewTask returns a task that runs run on the workers of loop group. If
	// nil, each run gets a goroutine.
	NewTask func(group int, run func()) Task
}

// Hub holds topics. Its methods are safe from any goroutine and never wait for a
// subscriber; a publisher that is too fast waits for the fan-out.
type Hub struct {
	groups  int
	newTask func(group int, run func()) Task

	mu     sync.RWMutex
	topics map[string]*Topic

	published atomic.Int64
	delivered atomic.Int64
	evicted   atomic.Int64
}

// New returns a hub.
func New(o Options) *Hub {
	h := &Hub{groups: max(o.Groups, 1), newTask: o.NewTask, topics: make(map[string]*Topic)}
	if h.newTask == nil {
		h.newTask = newGoTask
	}
	return h
}

// Stats are a hub's counters. Those in the past tense only grow.
type Stats struct {
	Topics    int
	Published int64 // messages
	Delivered int64 // messages, times subscribers
	Evicted   int64 // subscribers that were too slow
}

// Stats returns the counters as they are now.
func (h *Hub) Stats() Stats {
	h.mu.RLock()
	n := len(h.topics)
	h.mu.RUnlock()
	return Stats{n, h.published.Load(), h.delivered.Load(), h.evicted.Load()}
}

// TopicStats describes a topic.
type TopicStats struct {
	Name        string `json:"name"`
	Subscribers int    `json:"subscribers"`
	Published   uint64 `json:"published"` // messages since the topic exists
	Evicted     int64  `json:"evicted"`   // subscribers that were too slow
}

// Topics returns the topics that have subscribers, by name.
func (h *Hub) Topics() []TopicStats {
	h.mu.RLock()
	all := make([]*Topic, 0, len(h.topics))
	for _, t := range h.topics {
		all = append(all, t)
	}
	h.mu.RUnlock()
	stats := make([]TopicStats, 0, len(all))
	for _, t := range all {
		stats = append(stats, t.stats())
	}
	sort.Slice(stats, func(i, j int) bool { return stats[i].Name < stats[j].Name })
	return stats
}

// Subscribe adds a subscriber to the topic, which begins to exist with its first
// one and ends with its last. s is memory of the caller's, zero, and stands for
// this one subscription. The subscriber gets every message that is published
// after Subscribe returned, and none that was published before it began.
func (h *Hub) Subscribe(name string, s *Subscription, to Subscriber) error {
	if err := CheckName(name); err != nil {
		return err
	}
	if s.group != nil {
		return errors.New("hub: a Subscription can be used only once")
	}
	for !h.topic(name).add(s, to) {
		// It has just ended: the next look makes a new one.
	}
	return nil
}

// topic returns the topic of that name, making it if there is none.
func (h *Hub) topic(name string) *Topic {
	h.mu.RLock()
	t := h.topics[name]
	h.mu.RUnlock()
	if t != nil {
		return t
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if t = h.topics[name]; t == nil {
		name = strings.Clone(name) // it may be part of a long URI
		t = &Topic{hub: h, name: name, groups: make([]*group, h.groups)}
		h.topics[name] = t
	}
	return t
}

// Publish sends p to the subscribers of the topic and returns their number.
func (h *Hub) Publish(name string, p *wsproto.Prepared) (receivers int, err error) {
	if err := CheckName(name); err != nil {
		return 0, err
	}
	h.mu.RLock()
	t := h.topics[name]
	h.mu.RUnlock()
	if t == nil {
		h.published.Add(1)
		return 0, nil
	}
	return t.publish(p, nil), nil
}

// drop forgets a topic that has no subscriber left.
func (h *Hub) drop(t *Topic) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.count == 0 && !t.ended {
		t.ended = true
		delete(h.topics, t.name)
	}
}

// goTask is a Task on goroutines.
type goTask struct {
	run   func()
	state atomic.Int32 // 0 idle, 1 running, 2 running and due again
}

func newGoTask(_ int, run func()) Task { return &goTask{run: run} }

func (t *goTask) Schedule() {
	if t.state.Swap(2) == 0 {
		go func() {
			for {
				t.state.Store(1)
				t.run()
				if t.state.CompareAndSwap(1, 0) {
					return
				}
			}
		}()
	}
}
