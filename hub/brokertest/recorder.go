package brokertest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/hub"
)

// recorder is a hub.Node that records the calls of its Broker, which it embeds.
type recorder struct {
	hub.Broker
	t      *testing.T
	busy   atomic.Bool // a call is under way
	closed bool
	hook   func(*hub.Envelope) // called by Deliver; set before Attach

	mu       sync.Mutex
	changed  chan struct{} // closed with each change
	got      []*hub.Envelope
	linkedAt []hub.Position // arguments of Linked
	losses   []error        // arguments of Lost
	up       bool           // connected to the broker
	top      hub.Position   // the highest position that was delivered
	seen     map[hub.Position]bool
	late     bool // Close has returned

	changes []change // calls of PeerChanged and PeerGone
	states  map[uint64]map[string]string
	reply   func(question []byte) []byte // what Answer does
}

func newRecorder(t *testing.T, b hub.Broker) *recorder {
	return &recorder{Broker: b, t: t, changed: make(chan struct{}), seen: make(map[hub.Position]bool), states: make(map[uint64]map[string]string)}
}

// enter begins a call of a method of hub.Node, and returns the function that ends it.
func (r *recorder) enter(what string) func() {
	if r.busy.Swap(true) {
		r.t.Errorf("%s is called during another call", what)
	}
	r.mu.Lock()
	if r.late {
		r.t.Errorf("%s is called after Close", what)
	}
	return func() {
		close(r.changed)
		r.changed = make(chan struct{})
		r.mu.Unlock()
		r.busy.Store(false)
	}
}

func (r *recorder) Deliver(m *hub.Envelope) {
	if r.hook != nil {
		r.hook(m)
	}
	defer r.enter("Deliver")()
	if !r.up {
		r.t.Errorf("%v is delivered while the connection is down", m.Position)
	}
	if m.Unstored {
		r.got = append(r.got, m)
		return
	}
	if r.seen[m.Position] {
		return
	}
	if m.Position.Epoch == r.top.Epoch && m.Position.Offset < r.top.Offset && !r.before(m.Position) {
		r.t.Errorf("%v is delivered after %v", m.Position, r.top)
	}
	if m.Position.Offset > r.top.Offset {
		r.top = m.Position
	}
	r.seen[m.Position] = true
	r.got = append(r.got, m)
}

// before reports whether p is not after the position of the last connection. Such messages may
// arrive late.
func (r *recorder) before(p hub.Position) bool {
	return p.Offset <= r.linkedAt[len(r.linkedAt)-1].Offset
}

func (r *recorder) Linked(at hub.Position) {
	defer r.enter("Linked")()
	r.up = true
	r.linkedAt = append(r.linkedAt, at)
}

func (r *recorder) Lost(cause error) {
	defer r.enter("Lost")()
	if cause == nil {
		r.t.Error("Lost is called without a cause")
	}
	r.up = false
	r.losses = append(r.losses, cause)
}

// await waits until cond, which is called with r locked, is true.
func (r *recorder) await(t *testing.T, what string, cond func() bool) {
	t.Helper()
	limit := time.NewTimer(timeout)
	defer limit.Stop()
	for {
		r.mu.Lock()
		ok, changed := cond(), r.changed
		r.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-limit.C:
			t.Fatalf("timed out waiting for %s", what)
		}
	}
}

// awaitPosition waits until the message at p has been delivered.
func (r *recorder) awaitPosition(t *testing.T, p hub.Position) {
	t.Helper()
	r.await(t, fmt.Sprint("a message at ", p), func() bool { return r.seen[p] })
}

// of returns the delivered messages of a topic.
func (r *recorder) of(topic string) []*hub.Envelope {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(r.got), func(m *hub.Envelope) bool { return m.Topic != topic })
}

func (r *recorder) join(t *testing.T, subjects ...string) (at hub.Position) {
	t.Helper()
	for _, s := range subjects {
		var err error
		if at, err = r.Join(within(t), s); err != nil {
			t.Fatalf("join %q: %v", s, err)
		}
	}
	return at
}

func (r *recorder) publish(t *testing.T, topic, payload string) hub.Position {
	t.Helper()
	at, err := publish(within(t), r, text(topic, payload))
	if err != nil {
		t.Fatalf("publish to %q: %v", topic, err)
	}
	return at
}

func (r *recorder) close(t *testing.T) {
	t.Helper()
	r.closed = true
	if err := r.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	r.mu.Lock()
	r.late = true
	r.mu.Unlock()
}

// publish publishes m to b, and waits for the answer. b must answer exactly once.
func publish(ctx context.Context, b hub.Broker, m *hub.Envelope) (at hub.Position, err error) {
	answered := make(chan struct{})
	b.Publish(ctx, m, func(p hub.Position, e error) {
		at, err = p, e
		close(answered) // panics if there is a second answer
	})
	<-answered
	return at, err
}

func text(topic, payload string) *hub.Envelope {
	return &hub.Envelope{Topic: topic, Kind: hub.Text, Data: []byte(payload)}
}

// payloads returns the payloads as text.
func payloads(all []*hub.Envelope) []string {
	s := make([]string, len(all))
	for i, m := range all {
		s[i] = string(m.Data)
	}
	return s
}

// offsets returns the offsets of the messages.
func offsets(all []*hub.Envelope) []uint64 {
	s := make([]uint64, len(all))
	for i, m := range all {
		s[i] = m.Position.Offset
	}
	return s
}

// same returns an error if two lists of messages differ in payloads or offsets.
func same(a, b []*hub.Envelope) error {
	if !slices.Equal(payloads(a), payloads(b)) || !slices.Equal(offsets(a), offsets(b)) {
		return fmt.Errorf("%v at %v and %v at %v are not the same", payloads(a), offsets(a), payloads(b), offsets(b))
	}
	return nil
}
