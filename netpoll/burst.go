//go:build linux

package netpoll

const (
	// BurstSize is how many writes a [Burst] holds.
	BurstSize = 32
	// minBurst is how many writes of a burst have to be left to leave together: that
	// takes two system calls.
	minBurst = 4
	// maxTogether is the size in bytes of a write from which on it leaves alone: it gains
	// nothing, and all that leave together would wait for it.
	maxTogether = 16 << 10
)

// Burst is a number of writes to as many connections, which the kernel gets in one
// system call and not in one each. To enter the kernel and to leave it is a good part of
// what the write of a small message costs, most of all on virtual machines: where an empty
// system call takes 1.1 µs, a message of 128 bytes to each of 10,000 subscribers takes
// 0.6 of the processor time of a bare loop of write(2), and without bursts as much as that.
// Repeat it with
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
	batch    aioBatch // of those that leave together
}

// Add puts a write of buf to c into the burst, as Conn.WriteBuffer does it, and reports
// whether the burst is full. Then Write comes next. c has been open; it is to be in a
// burst once, else its writes come in any order.
func (b *Burst) Add(c *Conn, buf *Buffer) (full bool) {
	b.conns[b.n], b.bufs[b.n] = c, buf
	b.n++
	return b.n == BurstSize
}

// Write sends what was added, and empties the burst. The outcomes, in the order of Add,
// are valid until the next call of Write.
func (b *Burst) Write() []Outcome {
	var done uint32 // a bit for each place
	if k := b.aio(); k != nil {
		if r, ok := k.get(); ok {
			done = b.writeTogether(r)
			k.put(r)
		}
	}
	for i, c := range b.conns[:b.n] {
		if done&(1<<i) == 0 {
			b.outcomes[i] = c.WriteBuffer(b.bufs[i])
		} else if b.outcomes[i] == Closed {
			c.notify(evClose)
		}
	}
	clear(b.conns[:b.n])
	clear(b.bufs[:b.n])
	sent := b.outcomes[:b.n]
	b.n = 0
	return sent
}

// aio returns the contexts of an engine that the burst is for; nil if there is no need for them.
func (b *Burst) aio() *aioContexts {
	if b.n < minBurst {
		return nil
	}
	if l := b.conns[0].loop; l != nil {
		return &l.engine.aio
	}
	return nil
}

// writeTogether returns the places of those whose write has an outcome. Who is Closed has
// yet to be told.
//
// The connections that take part stay locked until the kernel has answered, so that none
// is closed, and its descriptor's number is nobody else's, meanwhile. Nobody waits for
// a lock with another in hand: who is locked already does not take part.
func (b *Burst) writeTogether(r aioContext) (done uint32) {
	for i, c := range b.conns[:b.n] {
		if !c.mu.TryLock() {
			continue
		}
		if !c.takesAtOnceLocked(b.bufs[i]) {
			c.mu.Unlock()
			continue
		}
		b.batch.add(i, c.fd, b.bufs[i].b)
	}
	if b.batch.n >= minBurst {
		b.batch.submit(r)
	}
	for _, call := range b.batch.refs[:b.batch.n] {
		i := call.place
		c, buf := b.conns[i], b.bufs[i]
		if took, errno := b.batch.answer(i); errno != notCalled {
			b.outcomes[i] = c.outcomeLocked(c.sentLocked(nil, buf.b, buf, took, errno))
			done |= 1 << i
		}
		c.mu.Unlock()
	}
	b.batch.clear()
	return done
}

// takesAtOnceLocked reports whether a write of buf is nothing but a small one to the socket.
func (c *Conn) takesAtOnceLocked(buf *Buffer) bool {
	return c.phase == live && c.access == accessOpen && c.out == nil && c.secureLocked() == nil &&
		buf.Len() > 0 && buf.Len() <= min(maxTogether, c.loop.engine.opts.MaxPending)
}
