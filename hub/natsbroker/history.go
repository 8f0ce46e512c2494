package natsbroker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fanfare-ws/fanfare/hub"
)

// How much of a history is asked for at a time.
const (
	batchMessages = 512
	batchBytes    = 1 << 20
)

// reading is a call of History.
type reading struct {
	*Broker
	s       *session
	q       hub.HistoryQuery
	page    hub.HistoryPage
	subject string
	keeps   int    // how many messages of each topic the stream keeps
	beyond  int    // messages after page.UpTo that were read
	rest    int    // messages that were not read
	bad     int    // messages that were left out, since they cannot be decoded
	next    uint64 // sequence number from which to read on
}

// History makes Broker a [hub.Broker].
func (b *Broker) History(ctx context.Context, q hub.HistoryQuery) (hub.HistoryPage, error) {
	b.mu.Lock()
	s, err := b.session, b.errLocked()
	if err == nil && b.wasSilentLocked(&q) {
		page := hub.HistoryPage{Epoch: b.epoch, From: q.After, UpTo: q.UpTo}
		b.mu.Unlock()
		return page, nil
	}
	b.mu.Unlock()
	if err != nil {
		return hub.HistoryPage{}, err
	}
	r := &reading{Broker: b, s: s, q: q, subject: b.subjects.inTopic + escapePattern(q.Subject)}
	if err := r.run(ctx); err != nil {
		return hub.HistoryPage{}, fmt.Errorf("natsbroker: history of %q: %w", q.Subject, err)
	}
	return r.page, nil
}

// wasSilentLocked reports whether it is known that no message answers the query.
func (b *Broker) wasSilentLocked(q *hub.HistoryQuery) bool {
	j := b.topics[q.Subject]
	return j != nil && q.After >= j.silentFrom && q.UpTo <= j.silent
}

func (r *reading) run(ctx context.Context) error {
	if err := r.bound(ctx); err != nil {
		return err
	}
	r.next = r.page.From + 1
	if r.page.UpTo > r.page.From {
		if err := r.skip(ctx); err != nil {
			return err
		}
		if err := r.read(ctx); err != nil {
			return err
		}
	}
	r.cutRemoved()
	r.mu.Lock()
	epoch, refreshed := r.epoch, r.record.First > 0
	r.mu.Unlock()
	if refreshed { // the stream has dropped its oldest messages, perhaps some just now
		if err := r.lookAtStream(ctx, r.s); err != nil {
			return err
		}
		r.mu.Lock()
		first := r.firstSeq
		r.mu.Unlock()
		r.cut(first - 1)
	}
	if epoch != r.page.Epoch {
		return fmt.Errorf("%w: another epoch has begun", hub.ErrLinkDown)
	}
	return nil
}

// bound finds out between which sequence numbers the stream holds all messages.
func (r *reading) bound(ctx context.Context) error {
	r.mu.Lock()
	seen := r.seen
	r.mu.Unlock()
	if r.q.UpTo > seen { // a probe finds the end of the sequence
		w := newWaiter(nil)
		r.mu.Lock()
		r.doLocked(r.s, op{waiter: w})
		r.mu.Unlock()
		if err := r.await(ctx, r.s, w); err != nil {
			return err
		}
	}
	r.mu.Lock()
	r.page.Epoch, r.keeps = r.epoch, int(r.perTopic)
	r.page.UpTo = min(r.q.UpTo, r.seen)
	r.page.From = max(r.q.After, r.record.first())
	r.mu.Unlock()
	if r.page.From >= r.page.UpTo {
		return nil
	}
	since := time.Now().Add(-r.opts.age(r.q.Subject)) // older messages may have expired
	if r.q.Since.After(since) {
		since = r.q.Since
	}
	oldest, err := r.get(ctx, r.s, &question{StartTime: &since})
	if err != nil {
		return err
	}
	if len(oldest.messages) == 0 {
		r.page.From = r.page.UpTo
		return nil
	}
	at, err := storedOf(oldest.messages[0].Header)
	r.page.From = min(max(r.page.From, at.seq-1), r.page.UpTo)
	return err
}

// skip moves the beginning closer to the end, if the query asks for few of many messages.
func (r *reading) skip(ctx context.Context) error {
	if r.q.Messages <= 0 {
		return nil
	}
	after, err := r.count(ctx, r.page.UpTo+1)
	if err != nil {
		return err
	}
	need := after + uint64(r.q.Messages)
	for low, high := r.next, r.page.UpTo+1; high-low > uint64(r.q.Messages); {
		middle := low + (high-low)/2
		n, err := r.count(ctx, middle)
		if err != nil {
			return err
		}
		if n < need {
			high = middle
			continue
		}
		low, r.next, r.page.From = middle, middle, middle-1
		if n < 2*need {
			return nil
		}
	}
	return nil
}

// count returns how many messages of the subject the stream holds from seq on.
func (r *reading) count(ctx context.Context, seq uint64) (uint64, error) {
	found, err := r.get(ctx, r.s, &question{Next: r.subject, Seq: seq, Batch: 1, MaxBytes: 1})
	return found.pending + uint64(len(found.messages)), err
}

// read reads all messages. A replica may be behind, so it goes on until the last message that one
// had which was not.
func (r *reading) read(ctx context.Context) error {
	last, err := r.end(ctx)
	if err != nil {
		return err
	}
	var again backoff
	for r.next <= min(last, r.page.UpTo) {
		found, err := r.get(ctx, r.s, &question{Next: r.subject, Seq: r.next, Batch: batchMessages, MaxBytes: batchBytes})
		if err != nil {
			return err
		}
		if err := r.add(found.messages); err != nil {
			return err
		}
		r.rest = int(found.pending)
		if r.next > last || len(found.messages) > 0 {
			continue
		}
		again.wait(ctx, r.s.ended) // the replica is behind, or the messages have expired
		if err := ctx.Err(); err != nil {
			return err
		}
		if last, err = r.end(ctx); err != nil {
			return err
		}
	}
	return nil
}

// end returns the sequence number of the last message that matches, from r.next on; 0 if there is
// none.
func (r *reading) end(ctx context.Context) (uint64, error) {
	found, err := r.lastOf(ctx, r.s, []string{r.subject}, r.next-1, r.page.UpTo)
	if errors.Is(err, errTooMany) { // topics match the pattern
		m, err := r.last(ctx, r.s, r.subject)
		return m.seq, err
	}
	last := uint64(0)
	for subject, seq := range found {
		if subject != r.subjects.inEpoch {
			last = max(last, seq)
		}
	}
	return last, err
}

// add appends messages to the page, and removes the oldest ones if there are more than the query
// asks for.
func (r *reading) add(all []*nats.Msg) error {
	for _, m := range all {
		at, err := storedOf(m.Header)
		if err != nil {
			return err
		}
		r.next = at.seq + 1
		if at.seq > r.page.UpTo {
			r.beyond++
			continue
		}
		topic := unescape(strings.TrimPrefix(at.subject, r.subjects.inTopic))
		e, err := at.envelope(m, topic)
		if err != nil {
			r.bad++
			r.report(badMessage(topic, at.seq, err))
			continue
		}
		e.Position.Epoch = r.page.Epoch
		r.page.Messages = append(r.page.Messages, e)
	}
	size := 0
	for i := len(r.page.Messages) - 1; i >= 0; i-- {
		m := r.page.Messages[i]
		size += cost(m)
		n := len(r.page.Messages) - i
		if r.q.Messages > 0 && n > r.q.Messages || r.q.Bytes > 0 && size > r.q.Bytes || m.Time.Before(r.q.Since) {
			r.cut(m.Position.Offset)
			break
		}
	}
	return nil
}

// cut removes the messages up to seq.
func (r *reading) cut(seq uint64) {
	if seq <= r.page.From {
		return
	}
	r.page.From = min(seq, r.page.UpTo)
	i := 0
	for i < len(r.page.Messages) && r.page.Messages[i].Position.Offset <= seq {
		i++
	}
	clear(r.page.Messages[:i])
	r.page.Messages = r.page.Messages[i:]
}

// cutRemoved removes messages that are older than some that the stream may have removed, because it
// keeps only so many of each topic. One that is missing has at least that many after it.
func (r *reading) cutRemoved() {
	kept := make(map[string]int)
	for i := len(r.page.Messages) - 1; i >= 0; i-- {
		m := r.page.Messages[i]
		kept[m.Topic]++
		if r.keeps > 0 && kept[m.Topic]+r.beyond+r.rest+r.bad >= r.keeps {
			r.cut(m.Position.Offset - 1)
			return
		}
	}
}
