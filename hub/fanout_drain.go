package hub

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// drain is those of a member's subscriptions that wait for the connection to drain,
// which tells one only. They are told in turn, some at a time, as long as what the ones
// before them sent has left: for there may be thousands, and room for the first few.
type drain struct {
	member  *Member
	shared  atomic.Bool  // one had something queued since the connection drained
	backlog atomic.Int64 // bytes that its subscriptions have yet to get

	mu           sync.Mutex // after all others, a connection's too
	waiting      []interface{ Schedule() }
	stale        int                        // of those, subscriptions without flagWaits: they have been forgotten
	leaving      map[string][]*Subscription // by topic: that have left, and not got all that was published before
	leavingCount int                        // of those
	task         Task                       // made when it is needed for the first time
}

// drainAtATime is how many are told at a time.
const drainAtATime = 16

// wait adds a subscription. Each is there once at most: it is not handed anything
// while it waits.
func (d *drain) wait(t interface{ Schedule() }) {
	d.mu.Lock()
	s, ok := t.(*Subscription)
	if ok && s.done() {
		d.mu.Unlock()
		return
	}
	if !ok || s.flags.Or(flagWaits)&flagWaits == 0 { // one that leaves may have waited already
		d.waiting = append(d.waiting, t)
	}
	if d.task == nil {
		h := d.member.hub
		d.task = h.opts.Workers.NewTask(d.member.Loop()%h.loops, d)
	}
	d.mu.Unlock()
	d.member.to.WhenDrained(d) // after it was added: so whoever drains the connection sees it
}

// Schedule is called when the connection has drained.
func (d *drain) Schedule() {
	d.shared.Store(false)
	d.task.Schedule()
}

// Run tells the next ones. It is what the task does. Who was refused because another
// was faster is before that one the next time: the order goes around.
func (d *drain) Run() {
	d.mu.Lock()
	n := min(drainAtATime, len(d.waiting))
	due := d.waiting[:n:n]
	if d.waiting = d.waiting[n:]; len(d.waiting) == 0 {
		d.waiting = nil
	}
	for _, t := range due {
		if s, ok := t.(*Subscription); ok && s.flags.And(^uint32(flagWaits))&flagWaits == 0 {
			d.stale-- // it sees for itself that it gets nothing
		}
	}
	more := d.waiting != nil
	d.mu.Unlock()
	for i := range due {
		due[(i+1)%n].Schedule()
	}
	if more {
		d.member.to.WhenDrained(d)
	}
}

// forget takes s, which gets nothing any more, from those that wait and leave.
func (d *drain) forget(s *Subscription) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if all := d.leaving[s.Topic()]; slices.Contains(all, s) {
		d.leavingCount--
		if len(all) > 1 {
			d.leaving[s.Topic()] = slices.DeleteFunc(all, func(x *Subscription) bool { return x == s })
		} else if delete(d.leaving, s.Topic()); d.leavingCount == 0 {
			d.leaving = nil
		}
	}
	if s.flags.And(^uint32(flagWaits))&flagWaits == 0 {
		return
	}
	if d.stale++; d.stale > len(d.waiting)/2 { // so each costs as much as two steps, however many wait
		d.stale = 0
		d.waiting = slices.DeleteFunc(d.waiting, func(t interface{ Schedule() }) bool {
			s, ok := t.(*Subscription)
			return ok && s.flags.Load()&flagWaits == 0
		})
	}
}

// addLeaving adds s to those that leave, unless it has got all, or is there.
func (d *drain) addLeaving(s *Subscription) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s.done() || slices.Contains(d.leaving[s.Topic()], s) { // done: forget has been called, or is going to be
		return
	}
	if d.leaving == nil {
		d.leaving = make(map[string][]*Subscription)
	}
	d.leaving[s.Topic()] = append(d.leaving[s.Topic()], s)
	d.leavingCount++
}

// abandonLeaving has what leaves the topic of that name lose what it has yet to get, so that
// nothing of it comes when the member is in that topic again. It returns how many others
// are leaving.
func (d *drain) abandonLeaving(name string) (others int) {
	d.mu.Lock()
	var all []*Subscription
	if d.leavingCount > 0 {
		all = slices.Concat(d.leaving[name], d.leaving[presenceTopicName(name)])
	}
	others = d.leavingCount - len(all)
	d.mu.Unlock()
	for _, s := range all {
		s.abandonRest()
	}
	return others
}

// allLeaving returns those that leave.
func (d *drain) allLeaving() []*Subscription {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Concat(slices.Collect(maps.Values(d.leaving))...)
}

// sharesBacklog reports whether a subscriber that refuses a message may do so because of
// what it took of another topic, and not because of the message.
func sharesBacklog(to Subscriber) bool {
	m, ok := to.(*Member)
	if !ok {
		return false
	}
	d := m.drain.Load()
	return d != nil && d.shared.Load()
}

// Send hands messages to the connection.
func (m *Member) Send(e Encoded) netpoll.Outcome {
	o := m.to.Send(e)
	m.sent(o)
	return o
}

// sent takes note of what the connection answered.
func (m *Member) sent(o netpoll.Outcome) {
	if o == netpoll.Queued {
		m.draining().shared.Store(true)
	}
}

// WhenDrained schedules t when the connection has drained; t is one of the member's
// subscriptions.
func (m *Member) WhenDrained(t interface{ Schedule() }) { m.draining().wait(t) }

// draining returns the member's drain, which most members never need.
func (m *Member) draining() *drain {
	if m.drain.Load() == nil {
		m.drain.CompareAndSwap(nil, &drain{member: m})
	}
	return m.drain.Load()
}
