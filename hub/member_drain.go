package hub

import (
	"maps"
	"slices"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// drainAtATime is how many subscriptions are scheduled at a time.
const drainAtATime = 16

// wait adds a subscription. Each is in the list once at most, since nothing is sent to it while
// it waits.
func (d *drain) wait(t interface{ Schedule() }) {
	d.mu.Lock()
	s, ok := t.(*Subscription)
	if ok && s.done() {
		d.mu.Unlock()
		return
	}
	if !ok || s.flags.Or(flagWaits)&flagWaits == 0 { // a subscription that leaves may be waiting already
		d.waiting = append(d.waiting, t)
	}
	if d.task == nil {
		h := d.member.hub
		d.task = h.opts.Workers.NewTask(d.member.Loop()%h.loops, d)
	}
	d.mu.Unlock()
	d.member.to.WhenDrained(d) // after adding, so that Run sees the subscription
}

// Schedule is called when the connection has drained.
func (d *drain) Schedule() {
	d.shared.Store(false)
	d.task.Schedule()
}

// Run schedules the next subscriptions. It is the function of the task. The order rotates by
// one, so a subscription that was refused because another was faster comes before that one the
// next time.
func (d *drain) Run() {
	d.mu.Lock()
	n := min(drainAtATime, len(d.waiting))
	due := d.waiting[:n:n]
	if d.waiting = d.waiting[n:]; len(d.waiting) == 0 {
		d.waiting = nil
	}
	for _, t := range due {
		if s, ok := t.(*Subscription); ok && s.flags.And(^uint32(flagWaits))&flagWaits == 0 {
			d.stale-- // scheduling it does no harm: its shard finds that it is done
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

// forget removes s, which gets nothing any more, from waiting and leaving.
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
	if d.stale++; d.stale > len(d.waiting)/2 { // so each call costs two steps on average, however many wait
		d.stale = 0
		d.waiting = slices.DeleteFunc(d.waiting, func(t interface{ Schedule() }) bool {
			s, ok := t.(*Subscription)
			return ok && s.flags.Load()&flagWaits == 0
		})
	}
}

// addLeaving adds s to leaving, unless it is done or is there already.
func (d *drain) addLeaving(s *Subscription) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s.done() || slices.Contains(d.leaving[s.Topic()], s) { // done: forget has been called, or will be
		return
	}
	if d.leaving == nil {
		d.leaving = make(map[string][]*Subscription)
	}
	d.leaving[s.Topic()] = append(d.leaving[s.Topic()], s)
	d.leavingCount++
}

// allLeaving returns the subscriptions that are leaving.
func (d *drain) allLeaving() []*Subscription {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Concat(slices.Collect(maps.Values(d.leaving))...)
}

// Send sends messages to the connection.
func (m *Member) Send(e Encoded) netpoll.Outcome {
	o := m.to.Send(e)
	m.sent(o)
	return o
}

// sent records the outcome of a write to the connection.
func (m *Member) sent(o netpoll.Outcome) {
	if o == netpoll.Queued {
		m.draining().shared.Store(true)
	}
}

// WhenDrained schedules t when the connection has drained; t is one of the member's
// subscriptions.
func (m *Member) WhenDrained(t interface{ Schedule() }) { m.draining().wait(t) }

// draining returns the member's drain, and creates it on first need: most members never need one.
func (m *Member) draining() *drain {
	if m.drain.Load() == nil {
		m.drain.CompareAndSwap(nil, &drain{member: m})
	}
	return m.drain.Load()
}

// hasLeft is called when s gets nothing any more.
func (m *Member) hasLeft(s *Subscription) {
	if d := m.drain.Load(); d != nil {
		d.forget(s)
	}
}
