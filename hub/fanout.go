package hub

import (
	"sync"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// fanout is a pass over the list of a shard. Messages that are published during the pass go in
// the same write to the subscribers that it has not reached. The other subscribers get them by
// the next pass, which skips every subscriber that has them. So a message costs each subscriber
// one write at most, no matter when it is published during a pass. When publishers await
// receipts, their next messages follow the end of a pass as a burst; it goes out as a whole to
// all subscribers but the first few.
//
// The field pass is the batch that every subscriber gets. The shard's cursor, the lag limits and
// what the log must hold depend on it.
type fanout struct {
	*shard
	pass        passBatch
	all         *batch            // pass.batch and the messages published since
	rests       map[uint64]*batch // parts of all by first sequence number, for subscribers that have the messages before
	nextRefresh int               // the run before which refresh looks for new messages
	burst       *burst            // deliveries that the next send sends

	delivered int64
	slow      slowest
}

// maxRefresh is the cost of a batch from which on a pass leaves new messages to the next pass.
const maxRefresh = 48 << 10

// burst is a group of deliveries that one system call sends.
type burst = netpoll.Burst[delivery]

// delivery is a write to one subscription.
type delivery struct {
	to       *Subscription
	from     uint64 // sequence number of the first message that the subscription lacks
	messages int
}

var bursts = sync.Pool{New: func() any { return new(burst) }}

// refresh adds the messages that were published since the pass began, or since the last refresh.
// It is called before each run, and looks for messages less often the further the pass has come.
// The reason is that each refresh may create another copy of the batch, which slow subscribers
// hold, and in the next pass one more for the subscribers that lack the rest. In a pass over
// 10,000 subscribers it looks 18 times.
func (f *fanout) refresh(run int) {
	if run < f.nextRefresh {
		return
	}
	f.nextRefresh = run + 1 + run/4
	t := f.topic
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.log.next == f.all.next || f.at > f.pass.end || f.all.end-f.at >= maxRefresh { // nothing new, the log was restarted, or enough
		return
	}
	if b := t.log.readOn(f.pass.cursor); b != nil && b.next > f.all.next {
		f.all = b
		clear(f.rests)
	}
}

// since returns the messages for a subscriber that continues at seq. Subscribers that have got
// the same share the result.
func (f *fanout) since(seq uint64) *batch {
	if seq <= f.all.first {
		return f.all
	}
	rest, ok := f.rests[seq]
	if !ok {
		if f.rests == nil {
			f.rests = make(map[uint64]*batch)
		}
		rest = f.all.after(seq)
		f.rests[seq] = rest
	}
	return rest
}

// deliverTo delivers to one subscription that is up to date. The delivery becomes part of the
// burst if it takes only a write to a connection.
func (f *fanout) deliverTo(s *Subscription) {
	from := max(s.cursor, f.pass.cursor)
	var part Encoded
	messages := 0
	if b := f.since(s.cursor); b != nil {
		part, messages = b.part(&f.topic.hub.encodings, s)
	}
	if part == nil {
		f.advance(s, from)
		return
	}
	d := delivery{s, from, messages}
	if conn, buf := writeOf(s.to, part); buf == nil {
		f.settle(d, s.to.Send(part))
	} else if f.burst.Add(netpoll.Write[delivery]{To: d, Conn: conn, Buffer: buf, Messages: messages}) {
		f.send()
	}
}

// send sends the burst. It must precede the next refresh.
func (f *fanout) send() {
	writes := f.burst.Send()
	for i := range writes {
		d, o := &writes[i].To, writes[i].Outcome
		if m, ok := d.to.to.(*Member); ok {
			m.sent(o)
		}
		f.settle(*d, o)
	}
	clear(writes) // the burst is reused, and must not refer to subscriptions
}

// settle records the outcome of a delivery.
func (f *fanout) settle(d delivery, o netpoll.Outcome) {
	switch o {
	case netpoll.Sent, netpoll.Queued:
		f.advance(d.to, d.from)
		if o == netpoll.Queued {
			f.fallBehind(d.to, f.all.next, f.pass)
		}
		f.delivered += int64(d.messages)
	case netpoll.Full:
		f.fallBehind(d.to, d.from, f.pass)
		f.slow.note(d.to, f.pass.batch)
	}
}

// advance records that s has all messages of f.all from a sequence number on, and counts those
// that were superseded. The batch that the whole shard gets needs no record for each
// subscription: the shard's cursor has it.
func (f *fanout) advance(s *Subscription, from uint64) {
	if f.all.next > f.pass.next {
		s.cursor = f.all.next
	}
	f.count(s, f.all.missing(from, f.all.next))
}

// writeOf returns the connection to which to write e, and the bytes. The buffer is nil if the
// subscriber's Send must be called.
func writeOf(to Subscriber, e Encoded) (*netpoll.Conn, *netpoll.Buffer) {
	if m, ok := to.(*Member); ok {
		to = m.to
	}
	if to, ok := to.(ConnSubscriber); ok {
		return to.Write(e)
	}
	return nil, nil
}
