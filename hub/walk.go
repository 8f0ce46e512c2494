package hub

import (
	"sync"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// walk is a group's list on its way to everybody. What is published meanwhile goes to
// those who are still to come in the same write; those who have been visited get it by
// the next walk, which passes over all others. So a message costs each subscriber one
// write, however it falls between walks: a burst that follows the end of a walk, as
// of publishers that await receipts, goes out as a whole to all but the first few.
//
// What counts for the group, who is behind and what the log has to hold, is the lap: what
// everybody gets.
type walk struct {
	*group
	lap   handout
	all   *batch            // the lap, and what came since
	rests map[uint64]*batch // the parts of all from a number on, for those who have what is before
	look  int               // the run before which it looks for what came
	burst *burst            // those whose turn it is

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

// freshen takes in what was published since the walk began, or did so last. It is called
// before each run, and looks less often the farther the walk has come: each time there may
// be another copy of the batch, which the slow hold, and in the next walk one for those who
// lack the rest. Of 10,000 subscribers' walk there are 18.
func (w *walk) freshen(run int) {
	if run < w.look {
		return
	}
	w.look = run + 1 + run/4
	t := w.topic
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.log.next == w.all.next || w.at > w.lap.end || w.all.end-w.at >= maxFresh { // nothing new, another log, enough
		return
	}
	if b := t.log.readOn(w.lap.cursor); b != nil && b.next > w.all.next {
		w.all = b
		clear(w.rests)
	}
}

// since returns what follows for a subscriber that goes on with number. Those who have got
// the same share it.
func (w *walk) since(number uint64) *batch {
	if number <= w.all.first {
		return w.all
	}
	rest, ok := w.rests[number]
	if !ok {
		if w.rests == nil {
			w.rests = make(map[uint64]*batch)
		}
		rest = w.all.after(number)
		w.rests[number] = rest
	}
	return rest
}

// hand gives one subscription, which has all that was before, its part: in a burst, if
// that is nothing but a write to a connection.
func (w *walk) hand(s *Subscription) {
	from := max(s.cursor, w.lap.cursor)
	var part Encoded
	messages := 0
	if b := w.since(s.cursor); b != nil {
		part, messages = b.part(w.topic.hub, s)
	}
	if part == nil {
		w.passed(s, from)
		return
	}
	d := delivery{s, from, messages}
	if conn, buf := writeOf(s.to, part); buf == nil {
		w.answered(d, s.to.Send(part))
	} else if w.burst.Add(netpoll.Write[delivery]{To: d, Conn: conn, Buffer: buf, Messages: messages}) {
		w.send()
	}
}

// send lets the burst go. It comes before the walk takes in anything new.
func (w *walk) send() {
	writes := w.burst.Send()
	for i := range writes {
		d, o := &writes[i].To, writes[i].Outcome
		if m, ok := d.to.to.(*Member); ok {
			m.sent(o)
		}
		w.answered(*d, o)
	}
	clear(writes) // the burst goes to others
}

// answered takes note of what became of a delivery.
func (w *walk) answered(d delivery, o netpoll.Outcome) {
	switch o {
	case netpoll.Sent, netpoll.Queued:
		w.passed(d.to, d.from)
		if o == netpoll.Queued {
			w.fallBehind(d.to, w.all.next, w.lap)
		}
		w.delivered += int64(d.messages)
	case netpoll.Full:
		w.fallBehind(d.to, d.from, w.lap)
	}
}

// passed takes note that s has all from number from on, but for what was superseded. What
// the whole group gets needs no note.
func (w *walk) passed(s *Subscription, from uint64) {
	if w.all.next > w.lap.next {
		s.cursor = w.all.next
	}
	w.count(s, w.all.missing(from, w.all.next))
}
