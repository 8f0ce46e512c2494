//go:build linux

package netpoll

import (
	"sync/atomic"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll/internal/clock"
	"github.com/fanfare-ws/fanfare/netpoll/internal/memory"
	"github.com/fanfare-ws/fanfare/netpoll/internal/ready"
)

// stallAfter is how long drainers may make no progress before the monitor adds others. It is
// also the precision of the coarse clock under load.
const stallAfter = 2 * time.Millisecond

// monitor is the engine's only timer. While there is work it looks at the ready
// queues every stallAfter; otherwise it sleeps until the next sweep.
type monitor struct {
	engine *Engine
	armed  atomic.Bool
	wake   chan struct{}
	stop   chan struct{}
	done   chan struct{}
	last   []ready.Progress
	buf    chunk
	memory memory.Scavenger
	slowAt uint32 // when sweepSlow is due
}

func newMonitor(e *Engine) *monitor {
	return &monitor{
		engine: e,
		wake:   make(chan struct{}, 1),
		stop:   make(chan struct{}),
		done:   make(chan struct{}),
		last:   make([]ready.Progress, e.opts.Loops),
		memory: memory.Scavenger{Free: memory.Free},
	}
}

// arm makes the monitor look soon. It is cheap if the monitor is armed already.
func (m *monitor) arm() {
	if !m.armed.Load() && m.armed.CompareAndSwap(false, true) {
		select {
		case m.wake <- struct{}{}:
		default: // the monitor is about to wake anyway
		}
	}
}

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
			m.sweep(now)
			m.sweepSlow(now)
			m.memory.Look(m.engine.held(), swept)
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
	if !busy {
		m.armed.Store(false)
		for _, l := range m.engine.loops { // a push in between has found the monitor armed
			if l.ready.Active() {
				m.armed.Store(true)
			}
		}
		return
	}
	m.engine.workers.flushStuck()
}

// sweep schedules the connections whose deadline has passed at now. Their turn checks
// the deadline again and clears it.
func (m *monitor) sweep(now clock.Tick) {
	for _, l := range m.engine.loops {
		l.table.each(&m.buf, func(c *Conn) {
			if at := c.expires.Load(); at != 0 && now.Reached(at) {
				c.notify(evTimer)
			}
		})
	}
}
