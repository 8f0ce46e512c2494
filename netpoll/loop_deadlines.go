//go:build linux

package netpoll

import (
	"sync"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll/internal/clock"
)

// nearSweeps is the number of sweeps from one to the next that looks at all connections. Looking at a connection costs a miss of
// the cache, so the sweeps in between look only at those whose deadline is near, which means less than nearSweeps sweeps away.
// Timeouts of a handshake and of closing are longer by default, so no connection is kept in a list after its end.
const nearSweeps = 4

// deadlines has the connections of a loop whose deadline is near. A connection may be in it more than once, also after its
// end: the deadline itself is Conn.expires, and an event is only a hint.
type deadlines struct {
	mu    sync.Mutex
	fresh []*Conn // that have got such a deadline since the last sweep
	lost  bool    // there were too many

	due [nearSweeps][]*Conn // by the number of the sweep that looks; the monitor's
}

// leastFresh is the number of connections for which there is always room.
const leastFresh = 64

// add is called when a deadline that is near is set, unless an earlier one was in force: then the look at that finds it.
func (d *deadlines) add(c *Conn, most int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.lost || len(d.fresh) >= most {
		d.fresh, d.lost = nil, true
		return
	}
	d.fresh = append(d.fresh, c)
}

// take returns what add was given since the last call. all reports whether that is not known, so that all connections must be
// looked at.
func (d *deadlines) take() (fresh []*Conn, all bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	fresh, all = d.fresh, d.lost
	d.fresh, d.lost = nil, false
	return fresh, all
}

// near is the time within which a deadline is near.
func (o *Options) near() time.Duration { return nearSweeps * o.Sweep }

// sweeping is one sweep of a loop.
type sweeping struct {
	*deadlines
	now   clock.Tick
	sweep time.Duration
	i     int // of the sweep, modulo nearSweeps
}

// look schedules c if its deadline has passed. Its turn checks the deadline again and clears it; until then, and if the deadline is
// near, a later sweep looks again.
func (s *sweeping) look(c *Conn) {
	at := c.expires.Load()
	if at == 0 {
		return
	}
	ahead := 1
	if s.now.Reached(at) {
		c.notify(evTimer)
	} else if left := time.Duration(at-uint32(s.now)) * time.Millisecond; left >= nearSweeps*s.sweep {
		return
	} else {
		ahead = max(1, int(left/s.sweep))
	}
	next := &s.due[(s.i+ahead)%nearSweeps]
	*next = append(*next, c)
}

func (s *sweeping) lookAt(all []*Conn) {
	for _, c := range all {
		s.look(c)
	}
}

// sweep looks for connections whose deadline has passed at now: among all if it is time for that, or if the clock has gone far
// since the last sweep.
func (m *monitor) sweep(now clock.Tick) {
	m.sweeps = (m.sweeps + 1) % nearSweeps
	o := &m.engine.opts
	far := time.Duration(uint32(now-m.sweptAt))*time.Millisecond > 2*o.Sweep
	m.sweptAt = now
	for _, l := range m.engine.loops {
		s := &sweeping{&l.deadlines, now, max(o.Sweep, time.Millisecond), m.sweeps}
		fresh, all := s.take()
		if due := s.due[s.i]; all || far || s.i == 0 {
			s.due = [nearSweeps][]*Conn{} // they are all in the table: so no list grows from one time to the next
			l.table.each(&m.buf, s.look)
		} else {
			s.due[s.i] = nil
			s.lookAt(due)
		}
		s.lookAt(fresh) // some may not be in the table yet
	}
}
