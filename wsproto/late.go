package wsproto

import (
	"fmt"
	"os"
	"time"
)

// ErrMessageTimeout: a message, or the header of a frame, came too slowly (see
// Server.MessageTimeout). It wraps os.ErrDeadlineExceeded.
var ErrMessageTimeout = fmt.Errorf("wsproto: a message came too slowly: %w", os.ErrDeadlineExceeded)

// An idle connection pays nothing for the time that a message may take, and one whose
// messages come whole nothing but a look: only when a read ends within a message, or
// within the header of a frame, is the time noted. It is looked at whenever the
// connection's deadline is over, which a ping brings about often enough.

// tick is a time in milliseconds, modulo 2^32. 0 is no time.
type tick uint32

var began = time.Now()

func now() tick { return tick(time.Since(began)/time.Millisecond) | 1 }

// since returns the time from t until now.
func since(t tick) time.Duration { return time.Duration(now()-t) * time.Millisecond }

// unfinished is called at the end of a read that leaves something begun, or before which
// something was: used says whether it brought anything on, rest whether it ended within
// the header of a frame, or a control frame.
func (c *Conn) unfinished(used, rest bool) {
	m := c.parser.part
	switch {
	case m != nil && m != streamed:
		c.since = 0
		if m.since != 0 {
			return
		}
		m.since = now()
	case !rest:
		c.since = 0
		return
	case !used && c.since != 0:
		return
	default:
		c.since = now()
	}
	if s := c.side; s.message > 0 && c.flags.Load()&flagPinged == 0 && (s.ping <= 0 || s.ping > s.message) {
		c.arm(s.message) // no ping will look in time
	}
}

// messageLeft returns how much time what has begun still has. It reports false if nothing
// has begun, or nothing bounds it.
func (c *Conn) messageLeft() (left time.Duration, bounded bool) {
	s, m := c.side, c.parser.part
	begin, got := c.since, 0
	if m != nil && m != streamed {
		begin, got = m.since, len(m.buf)
		if m.stream != nil { // which has a pace of its own as long as somebody reads it
			begin, got = m.stream.thrown()
		}
	}
	switch {
	case begin == 0 || s.message <= 0:
		return 0, false
	case s.rate <= 0:
		return s.message - c.io.IdleFor(), true
	}
	return s.message + transferTime(got, s.rate) - since(begin), true
}

// checkMessage ends the connection if a message has taken too long, and reports whether it
// has. As long as the connection is not read, the time does not pass.
func (c *Conn) checkMessage() (late bool) {
	left, bounded := c.messageLeft()
	if !bounded {
		return false
	}
	if m := c.parser.part; c.io.Paused() {
		if c.since = 0; m != nil && m != streamed {
			m.since = now()
		}
		return false
	}
	if left > 0 {
		return false
	}
	c.fail(PolicyViolation, "the message came too slowly", ErrMessageTimeout)
	return true
}

// armTurn is arm, called in a turn: the deadline is set to earlier than after d if a
// message is due then. It is not for the time of a pong, which comes with any progress of
// a message; without it, that time is over soon enough.
func (c *Conn) armTurn(d time.Duration) {
	if left, bounded := c.messageLeft(); bounded && (d <= 0 || left < d) {
		d = max(left, 0) + 2*time.Millisecond // the engine's clock begins its milliseconds elsewhere
	}
	c.arm(d)
}
