package hub

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// errMissed says that the broker does not hold all that was missed.
var errMissed = errors.New("hub: the broker does not hold all that was missed")

// fetchMissing has the topic's log get what a subscription with this start needs, as far as the
// broker holds it. If the broker does not hold it, subscribing fails later.
func (n *brokerNode) fetchMissing(t *Topic, o Start) error {
	for {
		t.mu.Lock()
		q, lacks := t.lacksLocked(o)
		if lacks == lacksNothing {
			t.mu.Unlock()
			return nil
		}
		f := t.remote.fetch
		if f == nil {
			f = &fetch{done: make(chan struct{})}
			t.remote.fetch = f
			epoch := t.epoch
			t.mu.Unlock()
			n.runFetch(f, t, lacks, q, epoch)
			return f.err
		}
		t.mu.Unlock()
		if <-f.done; f.err != nil {
			return f.err
		}
	}
}

// lostAgain reports whether the topic has dropped again what fetchMissing had fetched.
func (n *brokerNode) lostAgain(t *Topic, o Start) bool {
	if n == nil {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	_, lacks := t.lacksLocked(o)
	return lacks == lacksOlder
}

// runFetch executes q for f.
func (n *brokerNode) runFetch(f *fetch, t *Topic, lacks lack, q HistoryQuery, epoch uint64) {
	ctx, cancel := n.context()
	if lacks == lacksNewer {
		f.err = n.fetchNewer(ctx, t, q, epoch)
	} else {
		f.err = n.fetchOlder(ctx, t, f, q, epoch)
	}
	cancel()
	if errors.Is(f.err, ErrNoHistory) || errors.Is(f.err, errMissed) {
		f.err = nil
	}
	t.mu.Lock()
	if t.remote.fetch == f {
		t.remote.fetch = nil
	}
	t.mu.Unlock()
	close(f.done)
}

// lack says what a topic may get from the broker.
type lack uint8

const (
	lacksNothing lack = iota
	lacksOlder        // messages than those in its log
	lacksNewer        // messages: another node was faster, or has joined the topic later
)

// lacksLocked returns the query for what a subscription with this start needs and the log lacks.
func (t *Topic) lacksLocked(o Start) (q HistoryQuery, lacks lack) {
	l, h, after := &t.log, &t.opts.History, o.After
	switch {
	case t.remote.local:
		return q, lacksNothing
	case after != nil && after.Epoch == t.epoch && after.Offset > l.last:
		return HistoryQuery{Subject: t.name, After: l.last, UpTo: after.Offset, Bytes: maxPending}, lacksNewer
	case !h.kept() || t.remote.filled || l.lost == 0:
		return q, lacksNothing
	case after != nil && (after.Epoch != t.epoch || after.Offset >= l.lost):
		return q, lacksNothing
	case after == nil && o.Last <= l.count:
		return q, lacksNothing
	}
	q = HistoryQuery{Subject: t.name, UpTo: l.lost, Since: t.hub.opts.Now().Add(-h.Age), Bytes: h.Bytes}
	if h.Messages < unlimited {
		q.Messages = h.Messages
	}
	return q, lacksOlder
}

// fetchOlder inserts what the broker holds, and the topic keeps, before the log: everything at
// once, since other subscriptions are likely to need it too.
func (n *brokerNode) fetchOlder(ctx context.Context, t *Topic, f *fetch, q HistoryQuery, epoch uint64) error {
	page, err := n.history(ctx, q, epoch)
	none := errors.Is(err, ErrNoHistory)
	if err != nil && !none {
		return err
	}
	records := make([]*Record, len(page.Messages))
	for i, m := range page.Messages {
		records[i] = n.record(m)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.remote.fetch != f {
		return fmt.Errorf("%w: it was lost meanwhile", ErrLinkDown)
	}
	if !none && t.mayReuseSeqLocked() {
		return errMissed // a later query may find it
	}
	if !none && t.log.lost == q.UpTo { // otherwise the log has dropped newer messages, and keeps no older ones
		t.log.prepend(records, page.From)
		t.trimLocked()
		t.reportLocked()
	}
	t.remote.filled = true
	return nil
}

// mayReuseSeqLocked reports whether a subscription may wait at sequence numbers below the log
// whose messages were superseded: older messages must not get these numbers.
func (t *Topic) mayReuseSeqLocked() bool {
	return t.opts.Slow == Conflate && (t.laggards > 0 || t.neededLocked() < t.log.oldest())
}

// fetchNewer appends what the broker holds of the topic after its last message, up to an offset.
// The same messages may also be delivered by the broker.
func (n *brokerNode) fetchNewer(ctx context.Context, t *Topic, q HistoryQuery, epoch uint64) error {
	page, err := n.history(ctx, q, epoch)
	if err != nil {
		return err
	}
	if page.From > q.After {
		return errMissed
	}
	for _, m := range page.Messages {
		t.deliver(n.record(m), page.Epoch)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.epoch == page.Epoch {
		t.log.skip(page.UpTo)
	}
	return nil
}

// history queries the broker, and fails unless the answer has the given epoch.
func (n *brokerNode) history(ctx context.Context, q HistoryQuery, epoch uint64) (HistoryPage, error) {
	page, err := n.broker.History(ctx, q)
	if err != nil {
		return HistoryPage{}, fmt.Errorf("hub: history of %q: %w", q.Subject, err)
	}
	if page.Epoch != epoch {
		return HistoryPage{}, errMissed
	}
	if IsPattern(q.Subject) {
		page.Messages = slices.DeleteFunc(slices.Clone(page.Messages), func(m *Envelope) bool { return IsUserTopic(m.Topic) })
	}
	return page, nil
}
