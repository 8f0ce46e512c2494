//go:build linux

package netpoll

import easygo "github.com/mailru/easygo/netpoll"

// onEvent returns the epoll callback. It does no work, and blocks no longer than
// keepPace does.
func (c *Conn) onEvent() func(easygo.EpollEvent) {
	return func(ev easygo.EpollEvent) {
		events := uint32(ev) & evSocket
		if events == evWrite && c.nothingWaits() {
			return
		}
		if c.state.CompareAndSwap(0, events|scheduled) { // nearly always
			c.loop.keepPace(c.loop.push(c))
			return
		}
		c.notify(events)
	}
}

// nothingWaits reports whether an event that says only that the socket takes more can be ignored.
// Each connection has such events when it is registered and when our side is shut. A write
// for which the socket has no room later is followed by another.
func (c *Conn) nothingWaits() bool {
	if !c.mu.TryLock() {
		return false
	}
	defer c.mu.Unlock()
	return c.phase >= live && c.queueLocked() == nil
}

// notify records events and makes sure that a turn looks at them.
func (c *Conn) notify(events uint32) {
	for {
		old := c.state.Load()
		if old&events == events && old&scheduled != 0 {
			return
		}
		if c.state.CompareAndSwap(old, old|events|scheduled) {
			if old&scheduled == 0 {
				c.loop.push(c)
			}
			return
		}
	}
}

// closeWithLocked moves the connection on to phase ph, to end with err. It reports false if
// it had come that far already. The first error stays.
func (c *Conn) closeWithLocked(ph phase, err error) (changed bool) {
	if c.phase >= ph || c.phase == unborn {
		return false
	}
	c.phase = ph
	r := c.coldLocked()
	if r.err == nil {
		r.err = err
	}
	if r.exclusive != nil {
		r.exclusive.wake()
	}
	c.drainedLocked()
	return true
}

// wake makes Write check whether it may return.
func (x *Exclusive) wake() {
	select {
	case x.room <- struct{}{}:
	default:
	}
}

// abort closes from a turn, whatever the phase.
func (c *Conn) abort(err error) {
	c.mu.Lock()
	c.closeWithLocked(dying, err)
	c.mu.Unlock()
}
