package hub

import (
	"sync"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// walk is a shard's list on its way to everybody. What is published meanwhile goes to
// those who are still to come in the same write; those who have been visited get it by
// the next walk, which passes over all others. So a message costs each subscriber one
// write, however it falls between walks: a burst that follows the end of a walk, as
// of publishers that await receipts, goes out as a whole to all but the first few.
//
// What counts for the shard, who is behind and what the log has to hold, is the pass: what
// everybody gets.
type fanout struct {
	*shard
	pass        passBatch
	all         *batch            // the pass, and what came since
	rests       map[uint64]*batch // the parts of all from a number on, for those who have what is before
	nextRefresh int               // the run before which it looks for what came
	burst       *burst            // those whose turn it is

	delivered int64
}

// burst are deliveries that leave together.
type burst = netpoll.Burst[delivery]

// delivery is what one subscription is given.
type delivery struct {
	to       *Subscription
	from     uint64 // number of the first message that it is to have then
	messages int
}

var bursts = sync.Pool{New: func() any { return new(burst) }}

// refresh takes in what was published since the walk began, or did so last. It is called
// before each run, and looks less often the farther the walk has come: each time there may
// be another copy of the batch, which the slow hold, and in the next walk one for those who
// lack the rest. Of 10,000 subscribers' walk there are 18.
func (f *fanout) refresh(run int) {
	if run < f.nextRefresh {
		return
	}
	f.nextRefresh = run + 1 + run/4
	t := f.topic
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.log.next == f.all.next || f.at > f.pass.end || f.all.end-f.at >= maxRefresh { // nothing new, another log, enough
		return
	}
	if b := t.log.readOn(f.pass.cursor); b != nil && b.next > f.all.next {
		f.all = b
		clear(f.rests)
	}
}

// since returns what follows for a subscriber that goes on with number. Those who have got
// the same share it.
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

// deliverTo gives one subscription, which has all that was before, its part: in a burst, if
// that is nothing but a write to a connection.
func (f *fanout) deliverTo(s *Subscription) {
	from := max(s.cursor, f.pass.cursor)
	var part Encoded
	messages := 0
	if b := f.since(s.cursor); b != nil {
		part, messages = b.part(f.topic.hub, s)
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

// send lets the burst go. It comes before the walk takes in anything new.
func (f *fanout) send() {
	writes := f.burst.Send()
	for i := range writes {
		d, o := &writes[i].To, writes[i].Outcome
		if m, ok := d.to.to.(*Member); ok {
			m.sent(o)
		}
		f.settle(*d, o)
	}
	clear(writes) // the burst goes to others
}

// settle takes note of what became of a delivery.
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
	}
}

// advance takes note that s has all from number from on, but for what was superseded. What
// the whole shard gets needs no note.
func (f *fanout) advance(s *Subscription, from uint64) {
	if f.all.next > f.pass.next {
		s.cursor = f.all.next
	}
	f.count(s, f.all.missing(from, f.all.next))
}
