//go:build linux

package netpoll

import "syscall"

// BurstSize is how many writes a [Burst] holds.
const BurstSize = 32

// minBurst is how many writes of a burst have to be fit to leave together: that takes
// two system calls.
const minBurst = 4

// Burst is a number of writes to as many connections, which the kernel gets in one
// system call and not in one each. To enter the kernel and to leave it is a good part of
// what the write of a small message costs, most of all on virtual machines: where an empty
// system call takes 1.1 µs, a message of 128 bytes to each of 10,000 subscribers takes
// 0.6 of the processor time of a bare loop of write(2), which is what it takes without
// bursts. Repeat it with
//
//	go run -C bench . floor
//
// The zero value is an empty burst. One goroutine at a time may use it; it takes some
// 5 KB, and is best kept for the next.
type Burst struct {
	n        int
	conns    [BurstSize]*Conn
	bufs     [BurstSize]*Buffer
	outcomes [BurstSize]Outcome
	together [BurstSize]int // places of those that leave together
	calls    calls
}

// Add puts a write of buf to c into the burst, as Conn.WriteBuffer does it, and reports
// whether the burst is full. Then Write comes next.
func (b *Burst) Add(c *Conn, buf *Buffer) (full bool) {
	b.conns[b.n], b.bufs[b.n] = c, buf
	b.n++
	return b.n == BurstSize
}

// Len returns the number of writes in the burst.
func (b *Burst) Len() int { return b.n }

// Write sends what was added, and empties the burst. The outcomes, in the order of Add,
// are valid until the next call of Write.
func (b *Burst) Write() []Outcome {
	n := b.n
	left := b.writeTogether()
	for i, c := range b.conns[:n] {
		if left&(1<<i) != 0 {
			b.outcomes[i] = c.WriteBuffer(b.bufs[i])
		}
	}
	clear(b.conns[:n])
	clear(b.bufs[:n])
	b.n = 0
	return b.outcomes[:n]
}

// writeTogether returns the places of those whose write has yet to be done, a bit each.
//
// The connections that take part stay locked until the kernel has answered, so that none
// is closed, and its descriptor's number is nobody else's, meanwhile. Nobody waits for
// a lock with another in hand: who is locked already does not take part.
func (b *Burst) writeTogether() (left uint32) {
	k := 0
	for i, c := range b.conns[:b.n] {
		if !c.mu.TryLock() {
			left |= 1 << i
		} else if !c.takesAtOnceLocked(b.bufs[i]) {
			c.mu.Unlock()
			left |= 1 << i
		} else {
			b.together[k] = i
			b.calls.set(k, c.fd, b.bufs[i].b)
			k++
		}
	}
	if k >= minBurst {
		rings := &b.conns[b.together[0]].loop.engine.rings
		if r, ok := rings.hire(); ok {
			b.calls.submit(r, k)
			rings.dismiss(r)
		}
	}
	return left | b.conclude(k)
}

// takesAtOnceLocked reports whether a write of buf is nothing but one to the socket.
func (c *Conn) takesAtOnceLocked(buf *Buffer) bool {
	return c.phase == live && c.access == accessOpen && c.out == nil && (c.rare == nil || c.rare.tls == nil) &&
		buf.Len() > 0 && buf.Len() <= c.loop.engine.opts.MaxPending
}

// conclude takes note of what the kernel answered to the first k calls, and unlocks their
// connections. It returns the places of those that the kernel has not looked at.
func (b *Burst) conclude(k int) (left uint32) {
	var failed uint32
	for j, i := range b.together[:k] {
		c, buf := b.conns[i], b.bufs[i]
		took, errno := b.calls.answer(j)
		switch {
		case errno == notCalled:
			left |= 1 << i
		case c.sentLocked(nil, buf.b, buf, took, errno):
			b.outcomes[i] = Closed
			failed |= 1 << i
		case c.out == nil:
			b.outcomes[i] = Sent
		default:
			b.outcomes[i] = Queued
		}
		c.mu.Unlock()
	}
	for i := 0; failed != 0; i, failed = i+1, failed>>1 {
		if failed&1 != 0 {
			b.conns[i].notify(evClose)
		}
	}
	return left
}

// notCalled is the answer to a call that the kernel has not come to.
const notCalled = syscall.ECANCELED
