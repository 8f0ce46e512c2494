package hub

import (
	"context"
	"fmt"
)

// begin returns the topic with that name, creating and joining it if there is none.
func (n *brokerNode) begin(name string, by creator) (*Topic, error) {
	t, err := n.hub.topic(name, by)
	if err != nil {
		return nil, err
	}
	t.remote.once.Do(func() { n.join(t) })
	if err := t.remote.err; err != nil {
		return nil, err
	}
	return t, nil
}

func (n *brokerNode) join(t *Topic) {
	ctx, cancel := n.context()
	defer cancel()
	err := n.joinControl()
	var at Position
	if err == nil {
		at, err = n.joinSubject(ctx, t)
	}
	t.mu.Lock()
	t.remote.begun = true
	if err != nil {
		t.remote.err = fmt.Errorf("hub: cannot join %q: %w", t.name, err)
	} else if !t.remote.local {
		if p := n.linked.Load(); p != nil && (p.Epoch != at.Epoch || p.Offset > at.Offset) {
			at = *p // the connection was lost meanwhile
		}
		t.beginLocked(at)
	}
	t.mu.Unlock()
	if err != nil {
		n.hub.forget(t)
	}
}

// joinSubject joins a topic or pattern. Stored messages may match a pattern, whatever its options say.
func (n *brokerNode) joinSubject(ctx context.Context, t *Topic) (Position, error) {
	if n.passes(t.opts) && !t.pattern {
		return Position{}, n.broker.(Unstorer).JoinUnstored(ctx, t.name)
	}
	return n.broker.Join(ctx, t.name)
}

// whenJoined calls f when the topic has been joined, or joining has failed: now, or from a
// goroutine. Functions that wait are called in order.
func (n *brokerNode) whenJoined(t *Topic, f func(error)) {
	r := t.remote
	t.mu.Lock()
	if r.begun && !r.calling {
		err := r.err
		t.mu.Unlock()
		f(err)
		return
	}
	r.waiting = append(r.waiting, f)
	first := !r.calling
	r.calling = true
	t.mu.Unlock()
	if first {
		go n.callWaiting(t)
	}
}

// callWaiting joins the topic, and calls the functions that wait for that.
func (n *brokerNode) callWaiting(t *Topic) {
	r := t.remote
	r.once.Do(func() { n.join(t) })
	for {
		t.mu.Lock()
		waiting := r.waiting
		r.waiting = nil
		if len(waiting) == 0 {
			r.calling = false
			t.mu.Unlock()
			return
		}
		t.mu.Unlock()
		for _, f := range waiting {
			f(r.err)
		}
	}
}
