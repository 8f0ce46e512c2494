//go:build linux

package netpoll

import (
	"time"

	"github.com/fanfare-ws/fanfare/netpoll/internal/clock"
)

// stallAfter is how long drainers may make no progress before the monitor adds others. It is
// also the precision of the coarse clock under load.
const stallAfter = 2 * time.Millisecond

func (m *monitor) run() {
	defer close(m.done)
	defer m.memory.Runs.Wait()
	timer := time.NewTimer(m.engine.opts.Sweep)
	defer timer.Stop()
	swept := time.Now()
	for {
		pause := stallAfter
		if !m.armed.Load() {
			pause = max(0, m.engine.opts.Sweep-time.Since(swept))
		}
		timer.Reset(pause)
		select {
		case <-m.stop:
			return
		case <-m.wake:
			continue // the first look comes a full pause from now
		case <-timer.C:
		}
		now := m.engine.clock.Update()
		m.look()
		m.scanBudget()
		if time.Since(swept) >= m.engine.opts.Sweep {
			swept = time.Now()
			if m.unprobed > 0 {
				m.probe()
			}
			m.sweep(now)
			m.sweepSlow(now)
			m.engine.workers.discardIdle()
			m.memory.Look(m.engine.use(), swept)
		}
	}
}

// look adds drainers to loops that make no progress, and disarms the monitor when there is
// nothing to do.
func (m *monitor) look() {
	if !m.armed.Load() {
		return
	}
	busy := false
	for i, l := range m.engine.loops {
		submit, active := l.ready.Check(&m.last[i])
		busy = busy || active
		l.submit(submit)
	}
	if !busy && len(m.blocked) == 0 {
		m.armed.Store(false)
		for _, l := range m.engine.loops { // a push in between has found the monitor armed
			if l.ready.Active() {
				m.armed.Store(true)
			}
		}
		return
	}
	now := m.engine.clock.Update()
	m.report(m.engine.workers.flushStuck(now, m.engine.opts.BlockedAfter), now)
	if m.unprobed++; m.unprobed >= probeEvery {
		m.probe()
	}
}

// flushStuck sends what is gathered and pending in every turn that was under way at the last
// call already, because its handler blocks. It returns the turns and tasks that have taken longer than the given time since
// the last call; none if that is negative. Only the monitor calls it.
func (k *workers) flushStuck(now clock.Tick, after time.Duration) (blocked []*blockage) {
	k.mu.Lock()
	stuck := make([]*worker, 0, 8)
	for _, w := range k.busy {
		turns := w.turns.Load()
		if turns != w.seen {
			w.seen, w.stuck, w.told = turns, 0, false
			continue
		}
		if w.conn.Load() != nil && w.task.Load() == nil {
			stuck = append(stuck, w)
		}
		if after >= 0 {
			if b := w.watch(now, after); b != nil {
				blocked = append(blocked, b)
			}
		}
	}
	k.mu.Unlock()
	for _, w := range stuck {
		if c := w.conn.Load(); c != nil {
			c.flushStuck(w)
		}
	}
	return blocked
}

// scanBudget is the monitor's part. It tries again if the heaviest connections were
// locked. If the memory is held by many light connections, or by buffers that no connection
// answers for, it closes every connection that holds, or has pending, more than an equal
// share: there is at least one as long as the total is too large.
func (m *monitor) scanBudget() {
	e := m.engine
	if !e.budget.scan.Swap(false) {
		return
	}
	e.budget.mu.Lock()
	done := e.shedHeavyLocked(nil)
	e.budget.mu.Unlock()
	switch done {
	case shedEnough:
		return
	case shedBusy:
		e.budget.scan.Store(true)
		m.arm()
		return
	}
	low := e.budget.bounds.Load().low
	share := int(low / max(1, e.admission.open.Load()))
	for _, l := range e.loops {
		l.table.each(&m.buf, func(c *Conn) {
			if e.held() <= low {
				return
			}
			c.mu.Lock()
			if max(c.pendingLocked(), c.heldLocked()) > share { // it holds, or keeps from being freed
				c.shedLocked()
			}
			c.mu.Unlock()
		})
	}
}
