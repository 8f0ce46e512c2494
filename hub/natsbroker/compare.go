package natsbroker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// findSilent finds out, before the hub is told about a link, which joined topics had no message
// meanwhile, so that the hub's questions about them need no answer from the stream. If it fails,
// the stream answers.
func (b *Broker) findSilent(l *linked) {
	if l.base == 0 {
		return
	}
	var subjects []string
	b.mu.Lock()
	s := b.session
	for topic, j := range b.topics {
		if j.begun && !j.unstored {
			subjects = append(subjects, b.subjects.inTopic+escape(topic))
		}
	}
	b.mu.Unlock()
	if s == nil || len(subjects) < 2 {
		return
	}
	ctx, cancel := context.WithTimeout(b.ctx, linkTimeout)
	defer cancel()
	found, err := b.lastOf(ctx, s, subjects, l.top, l.at.Offset)
	if err != nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.epoch != l.at.Epoch || b.base != l.at.Offset {
		return
	}
	for _, subject := range subjects {
		j := b.topics[unescape(strings.TrimPrefix(subject, b.subjects.inTopic))]
		if _, ok := found[subject]; !ok && j != nil && j.last <= l.top {
			j.silentFrom, j.silent = max(j.last, l.base), l.at.Offset
		}
	}
}

// expectation is what was delivered of some subjects when a probe came back.
type expectation struct {
	epoch   uint64
	at      uint64            // of the probe
	topics  map[string]uint64 // the last message of topics that had none lately, by subject
	pattern []string
}

// compare compares what was delivered with the stream: its epoch, and the last messages of joined
// topics and patterns. A topic that has had a message since the last time is left out: each message
// says which one was before it.
func (b *Broker) compare(ctx context.Context, s *session) error {
	record, err := b.findEpoch(ctx, s)
	if err != nil {
		return err
	}
	b.mu.Lock()
	changed := record.Epoch != b.epoch
	if changed {
		b.loseLocked(errEpoch)
	}
	b.record = *record
	from := b.compared[0]
	var e expectation
	w := newWaiter(func(seq uint64) { e = b.expectLocked(seq) })
	b.doLocked(s, op{waiter: w})
	b.mu.Unlock()
	if changed {
		return nil
	}
	if err := errors.Join(b.refresh(ctx, s, record), b.writeClock(s)); err != nil {
		return err
	}
	if err := b.await(ctx, s, w); err != nil {
		return err
	}
	return b.compareTopics(ctx, s, from, &e)
}

// expectLocked is called when the probe of a comparison has come back.
func (b *Broker) expectLocked(seq uint64) expectation {
	e := expectation{epoch: b.epoch, at: seq, topics: make(map[string]uint64)}
	for topic, j := range b.topics {
		if j.begun && !j.unstored && j.last <= b.compared[1] {
			e.topics[b.subjects.inTopic+escape(topic)] = max(j.last, b.base)
		}
	}
	for pattern, j := range b.patterns {
		if j.begun {
			e.pattern = append(e.pattern, b.subjects.inTopic+escapePattern(pattern))
		}
	}
	return e
}

// compareTopics compares the last messages. Only when it has succeeded the next comparison may
// begin where this one ended.
func (b *Broker) compareTopics(ctx context.Context, s *session, from uint64, e *expectation) error {
	subjects := make([]string, 0, len(e.topics))
	for subject := range e.topics {
		subjects = append(subjects, subject)
	}
	found, err := b.lastOf(ctx, s, subjects, from, e.at)
	if err != nil {
		return err
	}
	for subject, seq := range found {
		if want, ok := e.topics[subject]; ok && seq > want && seq <= e.at {
			b.missing(e, subject, seq)
			return nil
		}
	}
	for _, pattern := range e.pattern {
		found, err := b.lastOf(ctx, s, []string{pattern}, from, e.at)
		if errors.Is(err, errTooMany) {
			continue // each message says which one was before it
		}
		if err != nil {
			return err
		}
		if b.comparePattern(e, found) {
			return nil
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.epoch == e.epoch && b.base <= e.at { // otherwise the node has been linked again
		b.compared = [2]uint64{b.compared[1], e.at}
	}
	return nil
}

// comparePattern reports whether a message of a pattern is missing.
func (b *Broker) comparePattern(e *expectation, found map[string]uint64) bool {
	for subject, seq := range found {
		topic, ok := strings.CutPrefix(subject, b.subjects.inTopic)
		if !ok || seq > e.at {
			continue
		}
		topic = unescape(topic)
		b.mu.Lock()
		last := max(b.tracker.last(topic), b.base)
		if j := b.topics[topic]; j != nil {
			last = max(last, j.last)
		}
		b.mu.Unlock()
		if seq > last {
			b.missing(e, subject, seq)
			return true
		}
	}
	return false
}

// missing tells the node that a message is missing, unless that has been noticed already.
func (b *Broker) missing(e *expectation, subject string, seq uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.base < e.at {
		b.loseLocked(fmt.Errorf("%w: %d, of %s", errGap, seq, subject))
	}
}

// refresh writes the record of the epoch again when the stream is about to drop it, because it is
// among the oldest messages of a stream that is nearly full.
func (b *Broker) refresh(ctx context.Context, s *session, r *epochRecord) error {
	b.mu.Lock()
	first, last, full := b.firstSeq, b.lastSeq, b.full
	b.mu.Unlock()
	if !full || r.seq-first > (last-first)/2 {
		return nil
	}
	again := *r
	again.First = r.first()
	return b.writeRecord(ctx, s, r.seq, &again)
}

// A tick of the clock is stored once a minute, and kept for a day.
const (
	tickEvery = time.Minute
	tickAge   = 25 * time.Hour
)

// writeClock stores a tick, unless there was one lately. The stream knows when each message that it
// holds was stored, but nothing of those that have expired. A tick tells that all messages after it
// are younger, and so are there if their age is not reached: then a topic that has been quiet for
// long is known to have been quiet.
func (b *Broker) writeClock(s *session) error {
	b.mu.Lock()
	due := time.Since(b.clock) > tickEvery
	if due {
		b.clock = time.Now()
	}
	b.mu.Unlock()
	if !due {
		return nil
	}
	return s.nc.PublishMsg(&nats.Msg{Subject: b.subjects.inClock, Header: nats.Header{headerTTL: {b.opts.ttl(tickAge)}}})
}
