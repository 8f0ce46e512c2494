package hub

import (
	"slices"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// all returns all messages joined, and their number.
func (b *batch) all(es *encodings, id encodingID) (joined Encoded, messages int) {
	f := b.forms.get(id)
	if f == nil {
		b.forms.mu.Lock()
		if f = b.forms.get(id); f == nil {
			joined, messages = b.join(es, id, 0, nil)
			f = b.forms.addLocked(form{id: id, messages: messages, encoded: joined})
		}
		b.forms.mu.Unlock()
	}
	return f.encoded, f.messages
}

// part returns what one subscription gets, and how many messages that is: everything from its
// cursor on, except messages that exclude it. part is nil if there is nothing for it.
func (b *batch) part(es *encodings, s *Subscription) (part Encoded, messages int) {
	if s.cursor <= b.first && !slices.Contains(b.excluded, s.to) {
		return b.all(es, s.encoding())
	}
	return b.join(es, s.encoding(), s.cursor, s.to)
}

func (b *batch) join(es *encodings, id encodingID, seq uint64, to Subscriber) (joined Encoded, messages int) {
	var few [8]Encoded
	all := few[:0]
	for i := range b.entries {
		if e := &b.entries[i]; e.seq >= seq && (to == nil || e.r.Exclude != to) {
			if one := e.r.encoded(es, id); one != nil {
				all = append(all, one)
			}
		}
	}
	switch len(all) {
	case 0:
		return nil, 0
	case 1:
		return all[0], 1
	}
	if joined = join(es.get(id), all); joined != nil {
		messages = len(all)
	}
	return joined, messages
}

// firstFor returns the first message of b that s gets, of which there must be one, and the
// sequence number after it.
func (b *batch) firstFor(es *encodings, s *Subscription) (one Encoded, next uint64) {
	for i := range b.entries {
		if e := &b.entries[i]; e.seq >= s.cursor && e.r.Exclude != s.to {
			if one := e.r.encoded(es, s.encoding()); one != nil {
				return one, e.seq + 1
			}
		}
	}
	panic("hub: a batch without a message for its receiver")
}

// maxRefused is how often in a row a subscriber may refuse a message although it has drained.
// After that it will never take the message: other writers may have been faster, but not so
// often.
const maxRefused = 100

// offer sends to s the part of b that it lacks, or only the first message of that if it refuses
// the part as a whole. next is the sequence number at which s continues if it took what was
// sent.
func (sh *shard) offer(s *Subscription, b *batch) (o netpoll.Outcome, next uint64) {
	h := sh.topic.hub
	part, messages := b.part(&h.encodings, s)
	if part == nil {
		return netpoll.Sent, b.next
	}
	o, next = s.to.Send(part), b.next
	if o == netpoll.Full && messages > 1 {
		part, next = b.firstFor(&h.encodings, s)
		o, messages = s.to.Send(part), 1
	}
	if o.OK() {
		sh.counters().delivered.Add(int64(messages))
	}
	return o, next
}

// sharesBacklog reports whether a subscriber that refuses a message may do so because messages
// of another topic are pending, and not because of the message itself.
func sharesBacklog(to Subscriber) bool {
	m, ok := to.(*Member)
	if !ok {
		return false
	}
	d := m.drain.Load()
	return d != nil && d.shared.Load()
}

// count counts messages that s does not get, and reports them to its DropHandler.
func (sh *shard) count(s *Subscription, messages int) {
	if messages == 0 {
		return
	}
	t := sh.topic
	if s.lag == nil { // only the pass changes it
		t.mu.Lock()
		s.lag = new(lag)
		t.mu.Unlock()
	}
	s.lag.dropped.Add(int64(messages))
	t.dropped.Add(int64(messages))
	t.hub.dropped[t.opts.Slow].Add(int64(messages))
	to := s.to
	if m, ok := to.(*Member); ok {
		to = m.to
	}
	if x, ok := to.(DropHandler); ok {
		x.OnDrop(s.Topic(), int64(messages))
	}
}

// closeSlow closes a subscriber that is too slow, and counts it.
func (sh *shard) closeSlow(s *Subscription, reason string) {
	sh.topic.evicted.Add(1)
	sh.topic.hub.evicted.Add(1)
	s.to.Close(CloseReason{Cause: TooSlow, Text: reason})
}

const tooSlow = "too slow: the backlog is full"
