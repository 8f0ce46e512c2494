package wsproto

import (
	"fmt"
	"math"
	"os"
	"time"
)

// ErrMessageTimeout says that a message, or the header of a frame, came too slowly (see
// Server.MessageTimeout). It wraps os.ErrDeadlineExceeded.
var ErrMessageTimeout = fmt.Errorf("wsproto: a message came too slowly: %w", os.ErrDeadlineExceeded)

// MessageTimeout costs an idle connection nothing, and one whose messages come whole only a
// check: the time is noted only when a read ends within a message or within the header of a
// frame. It is checked whenever the connection's deadline is over, which pings bring about
// often enough.

// unfinished is called at the end of a read that leaves something incomplete, or that began
// with something incomplete. used says that the parser has taken some of what was read, rest
// that it has left some: a part of a frame header or of a control frame.
func (c *Conn) unfinished(used, rest bool) {
	s, first := c.endpoint, false
	if s.message <= 0 || c.flags.Load()&flagClosed != 0 {
		return
	}
	switch m := c.parser.part; {
	case m != nil && m != streamed:
		c.mark = 0
		first = m.pace.due == 0
		c.creditMessage(m)
	case !rest:
		c.mark = 0
	case used || c.mark == 0:
		first = true
		c.mark = now().add(s.message)
	}
	if first && c.flags.Load()&flagPinged == 0 && (s.ping <= 0 || s.ping > s.message) {
		c.hasten(s.message) // no ping checks it in time
	}
}

// creditMessage credits m with what has come of it. A stream has a pace of its own while it
// is read.
func (c *Conn) creditMessage(m *partial) {
	got := len(m.buf)
	if m.flow != nil {
		over, thrown := m.flow.thrown()
		if got = over; !thrown {
			m.pace = tickPace{}
		}
	}
	m.pace.credit(got, c.endpoint.message, c.endpoint.rate)
}

// messageLeft returns how much time remains for what is incomplete. bounded is false if
// nothing is, or if no timeout applies.
func (c *Conn) messageLeft() (left time.Duration, bounded bool) {
	due := c.mark
	if m := c.parser.part; m != nil && m != streamed {
		if m.flow != nil {
			c.creditMessage(m)
		}
		due = m.pace.due
	}
	if due == 0 {
		return 0, false
	}
	return due.until(now()), true
}

// checkMessage ends the connection if a message has taken too long, and reports whether it
// has. The time does not pass while the connection is not read.
func (c *Conn) checkMessage() (late bool) {
	left, bounded := c.messageLeft()
	if !bounded {
		return false
	}
	if c.io.Paused() {
		if m := c.parser.part; m != nil && m != streamed {
			m.pace.due = now().add(c.endpoint.message)
		} else {
			c.mark = now().add(c.endpoint.message)
		}
		return false
	}
	if left > 0 {
		return false
	}
	c.fail(PolicyViolation, "the message came too slowly", ErrMessageTimeout)
	return true
}

// armTurn is arm, called in a turn: if a message is due earlier the deadline is set to that.
// It is not for the time of a pong: progress of a message counts as an answer, and without
// any the pong's time is over soon enough.
func (c *Conn) armTurn(d time.Duration) {
	if left, bounded := c.messageLeft(); bounded && (d <= 0 || left < d) {
		d = max(left, 0) + 2*time.Millisecond // the milliseconds of the engine's clock begin at another time
	}
	c.arm(d)
}

// stillTakes reports whether a peer that was sent a close frame still takes what was accepted
// before, at MinRate at least; also once when it has just taken everything.
func (c *Conn) stillTakes() bool {
	left, last := c.io.Untaken(), int(c.mark)
	c.mark = tick(min(left, math.MaxInt32)) + 1
	if last == 0 {
		return left > 0
	}
	least := max(int(c.endpoint.closeTimeout.Seconds()*float64(c.endpoint.rate)), 1)
	return left == 0 && last > 1 || left+least < last
}
