//go:build linux

package netpoll

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fanfare-ws/fanfare/netpoll/internal/clock"
)

// ErrSlow says that a connection was closed because its peer took pending output
// at a rate below Options.MinDrain.
var ErrSlow = errors.New("netpoll: the peer takes what it is sent too slowly")

// sweepSlow closes the connections whose peers take too little. The kernel gives up peers
// that take nothing (Options.UserTimeout), but one byte now and then is enough for it.
func (m *monitor) sweepSlow(now clock.Tick) {
	e := m.engine
	if e.Limits().MinDrain < 0 || m.slowAt != 0 && !now.Reached(m.slowAt) {
		return
	}
	m.slowAt = now.After(e.opts.UserTimeout / 4)
	for _, l := range e.loops {
		l.table.each(&m.buf, func(c *Conn) { c.checkDrain(now) })
	}
}

// checkDrain closes c if something has been pending for the whole of UserTimeout and
// the peer has acknowledged less than MinDrain bytes a second in that time. The length of the
// queue tells too little: the kernel takes large lumps from it, for each of which a slow peer
// needs minutes.
func (c *Conn) checkDrain(now clock.Tick) {
	c.mu.Lock()
	defer c.mu.Unlock()
	o := c.queueLocked()
	if o == nil || o.bytes == 0 || c.phase >= dying {
		return
	}
	opts := &c.loop.engine.opts
	if o.drain.since != 0 && !now.Reached(clock.Tick(o.drain.since).After(opts.UserTimeout)) {
		return
	}
	acked, err := c.ackedLocked(o)
	if err != nil {
		return
	}
	least := uint64(c.loop.engine.Limits().MinDrain) * uint64(opts.UserTimeout/time.Millisecond) / 1000
	if o.drain.since != 0 && acked-o.drain.acked < least {
		c.loop.engine.budget.slow.Add(1)
		c.cutLocked(ErrSlow)
		return
	}
	o.drain = drain{uint32(now), acked}
}

// ackedLocked returns the bytes that the peer has acknowledged, counted from any moment while o exists. With a Unix
// socket they are what has left the queue and is not in the peer's buffer any more.
func (c *Conn) ackedLocked(o *outQueue) (uint64, error) {
	info, err := unix.GetsockoptTCPInfo(int(c.fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != unix.EOPNOTSUPP {
		if err != nil {
			return 0, err
		}
		return info.Bytes_acked, nil
	}
	kernel, err := unix.IoctlGetInt(int(c.fd), unix.SIOCOUTQ)
	return o.sent - uint64(kernel), err // may wrap around: only differences count
}
