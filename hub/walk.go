package hub

import "github.com/fanfare-ws/fanfare/wsproto"

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
	lap  handout
	all  *batch // the lap, and what came since
	rest *batch // the part of all from number from on, for those who have what is before
	from uint64
}

// freshen takes in what was published since the walk began, or did so last.
func (w *walk) freshen() {
	t := w.topic
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.log.next == w.all.next || w.all.end-w.at >= maxFresh {
		return
	}
	if b := t.log.readOn(w.lap.cursor); b != nil && b.next > w.all.next { // it may have begun anew
		w.all, w.rest = b, nil
	}
}

// since returns what follows for a subscriber that goes on with number. Those who stand
// together have mostly got the same, and so share it.
func (w *walk) since(number uint64) *batch {
	if number <= w.all.first {
		return w.all
	}
	if w.rest == nil || w.from != number {
		w.rest, w.from = w.all.after(number), number
	}
	return w.rest
}

// hand gives one subscriber, who has all that was before, its part.
func (w *walk) hand(s *Subscription) (delivered int64) {
	g, next := w.group, w.all.next
	from := max(s.cursor, w.lap.cursor)
	var p *wsproto.Prepared
	if b := w.since(s.cursor); b != nil {
		p = b.part(g.topic.hub, s.format(), s.cursor, s.to)
	}
	if p == nil {
		w.passed(s, from)
		return 0
	}
	switch o := s.to.SendPrepared(p); o {
	case wsproto.Sent, wsproto.Queued:
		w.passed(s, from)
		if o == wsproto.Queued {
			g.fallBehind(s, next, w.lap)
		}
		return int64(p.Messages())
	case wsproto.Full:
		g.fallBehind(s, from, w.lap)
	}
	return 0
}

// passed takes note that s has all from number from on, but for what was superseded. What
// the whole group gets needs no note.
func (w *walk) passed(s *Subscription, from uint64) {
	if w.all.next > w.lap.next {
		s.cursor = w.all.next
	}
	w.count(s, w.all.missing(from, w.all.next))
}
