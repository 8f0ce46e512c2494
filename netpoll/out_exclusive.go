//go:build linux

package netpoll

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"time"
)

// ErrReserved says that another Exclusive of the connection is in use.
var ErrReserved = errors.New("netpoll: the connection is reserved for a message in pieces")

// Reserve returns the right to write in pieces. The error is ErrReserved or ErrClosed.
func (c *Conn) Reserve() (*Exclusive, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.phase != live || c.access == accessSealed:
		return nil, ErrClosed
	case c.access == accessReserved:
		return nil, ErrReserved
	}
	x := &Exclusive{conn: c, room: make(chan struct{}, 1), buf: new(Buffer)}
	c.access, c.coldLocked().exclusive = accessReserved, x
	return x, nil
}

// Write writes head and then body and blocks until the kernel has both. They are
// not copied, except for encryption (of all at once, so body should be small). They belong to
// the caller again when Write returns. After timeout the error is
// os.ErrDeadlineExceeded; a part may have been sent, and the rest may still be sent.
// Write may be called within a turn, too, where it is slower.
func (x *Exclusive) Write(head, body []byte, timeout time.Duration) error {
	c := x.conn
	c.mu.Lock()
	if !x.holdsLocked() {
		c.mu.Unlock()
		return ErrClosed
	}
	x.buf.b = body
	failed := c.writeAllLocked(head, body, x.buf)
	err := x.waitLocked(timeout)
	if err != nil && !c.isDirectLocked() {
		x.buf.b, x.buf = bytes.Clone(body), new(Buffer) // the rest of body may still be sent
	} else {
		x.buf.b = nil
	}
	c.mu.Unlock()
	if failed {
		c.notify(evClose)
	}
	return err
}

// waitLocked waits, without the lock, until nothing is queued.
func (x *Exclusive) waitLocked(timeout time.Duration) error {
	c := x.conn
	var late <-chan time.Time
	for x.holdsLocked() {
		if c.queueLocked() == nil {
			return nil
		}
		if late == nil {
			late = x.after(timeout)
			defer x.timer.Stop()
		}
		c.mu.Unlock()
		select {
		case <-x.room:
			c.mu.Lock()
		case <-late:
			c.mu.Lock()
			if x.holdsLocked() && c.queueLocked() != nil {
				return fmt.Errorf("netpoll: the peer does not take what it is sent: %w", os.ErrDeadlineExceeded)
			}
		}
	}
	return ErrClosed
}

func (x *Exclusive) after(d time.Duration) <-chan time.Time {
	if x.timer == nil {
		x.timer = time.NewTimer(d)
	} else {
		x.timer.Reset(d)
	}
	return x.timer.C
}

// Release ends the right, and writes what has waited behind it.
func (x *Exclusive) Release() {
	c := x.conn
	failed := false
	c.mu.Lock()
	if o := x.behind; x.holdsLocked() {
		c.access, c.cold.exclusive, x.behind = accessOpen, nil, nil
		c.tidyLocked()
		if o != nil {
			failed = c.writeBehindLocked(o)
			c.drainedLocked()
		}
	}
	c.mu.Unlock()
	if failed {
		c.notify(evClose)
	}
}

// writeBehindLocked writes what has waited in o.
func (c *Conn) writeBehindLocked(o *outQueue) (failed bool) {
	c.loop.queued.Add(-int64(o.bytes))
	c.weighLocked(-o.held)
	for _, s := range o.segs {
		if s.kind != ownCopy {
			s.release(s.kind == answerable)
		}
		if !failed {
			failed = c.writeAllLocked(nil, s.b, s.Buffer)
		}
	}
	return failed
}

// holdsLocked reports whether x still has the right.
func (x *Exclusive) holdsLocked() bool {
	c := x.conn
	return c.phase == live && c.access == accessReserved && c.cold.exclusive == x
}

// WriteUrgent is Conn.Write for bytes that may go between the pieces of an Exclusive.
func (c *Conn) WriteUrgent(head, body []byte) Outcome {
	c.mu.Lock()
	if c.phase != live || c.access == accessSealed {
		c.mu.Unlock()
		return Closed
	}
	if c.gatherLocked(head, body) {
		c.mu.Unlock()
		return Queued
	}
	res, failed := c.writeBoundedLocked(head, body, nil)
	c.mu.Unlock()
	if failed {
		c.notify(evClose)
	}
	return res
}
