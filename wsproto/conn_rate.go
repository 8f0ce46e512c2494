package wsproto

import (
	"sync/atomic"
	"time"
)

// Take pays for a message of n bytes at the rate r, and returns 0 if it conforms. Otherwise
// nothing is paid, and the result is how long the peer must wait. The state is eight bytes of
// the connection, and goes with it through Leave and Enter. Two calls for one connection must not
// run at a time: a [Handler] may call Take in OnOpen, OnMessage, OnPing and OnPong. The rate may be another one each time. A
// server with a Rate of its own takes each message before OnMessage, from the same credit. All
// messages of one read count as having come at the same time.
func (c *Conn) Take(r *Rate, n int) (wait time.Duration) {
	return r.take(&c.paid, n, c.endpoint.readClock.now())
}

// readClock is the clock of rates. It is read once for each read of a connection and not for each
// message, which would cost a tenth of a short one. It stands still until rates are used.
//
// All workers share it, and each of them looks at it for each message. So it has a cache line of its own, and changes only when
// it is behind by readClockStep: a write takes the line away from the other processors.
type readClock struct {
	_    [cacheLine]byte
	used atomic.Bool
	last atomic.Int64 // a moment
	_    [cacheLine]byte
}

const (
	cacheLine     = 64
	readClockStep = 50 * time.Microsecond
)

// read is called when data has come.
func (a *readClock) read() {
	if a.used.Load() {
		a.set(thisMoment())
	}
}

func (a *readClock) set(now moment) {
	if now.sub(moment(a.last.Load())) >= readClockStep {
		a.last.Store(int64(now))
	}
}

// now returns the time of the last read of any connection, which the caller's does not follow.
func (a *readClock) now() moment {
	if !a.used.Load() {
		a.last.Store(int64(thisMoment()))
		a.used.Store(true)
	}
	return moment(a.last.Load())
}

// exceeds ends the connection if a message or control frame of n bytes came faster than
// Server.Rate allows, and reports whether it did.
func (c *Conn) exceeds(n int) bool { return c.exceedsRate(c.endpoint.messageRate.Load(), n) }

// exceedsBytes is exceeds for a further frame of a message that is paid for as such.
func (c *Conn) exceedsBytes(n int) bool {
	r := c.endpoint.messageRate.Load()
	return r != nil && c.exceedsRate(&Rate{Bytes: r.Bytes, Burst: r.Burst}, n)
}

func (c *Conn) exceedsRate(r *Rate, n int) bool {
	if r == nil || c.flags.Load()&flagClosed != 0 || c.Take(r, n) == 0 {
		return false
	}
	s := c.endpoint.server
	s.counters.limited.messages.Add(1)
	c.fail(s.RateCode, "too many messages", ErrRate)
	return true
}
