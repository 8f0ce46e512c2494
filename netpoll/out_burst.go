//go:build linux

package netpoll

const (
	// BurstSize is how many writes a [Burst] holds.
	BurstSize = 32
	// minBurst is the number of writes from which on a burst leaves together: that takes
	// two system calls.
	minBurst = 4
	// maxTogether is the size in bytes of a write from which on it leaves alone: a system
	// call of its own costs it little, and all writes of the burst would wait for it.
	maxTogether = 16 << 10
)

// Write is a buffer for one connection, in a [Burst].
type Write[T any] struct {
	To       T       // the caller's; the burst does not look at it
	Conn     *Conn   // has been open; nobody else writes the same Buffer to it in this burst
	Buffer   *Buffer // one or more messages, as the peer gets them
	Messages int     // the number of messages in Buffer, for Conn.CountOut
	Outcome  Outcome // set by Burst.Send
}

// Burst collects writes to different connections, so that the kernel gets them in one
// system call instead of one each. Entering and leaving the kernel is a good part of what
// the write of a small message costs, most of all on virtual machines: where an empty
// system call takes 1.1 µs, a message of 128 bytes to each of 10,000 subscribers takes
// 0.6 of the processor time of a bare loop of write(2), and without bursts as much as that.
// Repeat it with
//
//	go run -C bench . floor
//
// Any connection of an engine can take part, whatever protocol it speaks. The zero value is
// an empty burst. One goroutine at a time may use it. It takes some 5 KB, and is best
// kept for the next burst.
type Burst[T any] struct {
	n      int
	writes [BurstSize]Write[T]
	batch  aioBatch // of the writes that leave together
}

var _ [BurstSize]struct{} = [aioSize]struct{}{}

// Add puts w into the burst, to be written as Conn.WriteBuffer does it, and reports whether
// the burst is full. Then Send comes next. A connection may be in a burst once, else its
// writes come in any order.
func (b *Burst[T]) Add(w Write[T]) (full bool) {
	b.writes[b.n] = w
	b.n++
	return b.n == BurstSize
}

// Send writes what was added, and empties the burst. The writes, in the order of Add, with
// their outcomes, are valid until the next call of Add. A caller that keeps the burst clears
// them, so that the burst does not keep their memory.
func (b *Burst[T]) Send() []Write[T] {
	writes := b.writes[:b.n]
	b.n = 0
	var done uint32 // a bit for each place
	if k := aioOf(writes); k != nil {
		if r, ok := k.get(); ok {
			done = writeTogether(writes, &b.batch, r)
			k.put(r)
		}
	}
	for i := range writes {
		w := &writes[i]
		if done&(1<<i) == 0 {
			w.Outcome = w.Conn.WriteBuffer(w.Buffer)
		} else if w.Outcome == Closed {
			w.Conn.notify(evClose)
		}
		if w.Outcome.OK() {
			w.Conn.CountOut(w.Messages)
		}
	}
	return writes
}

// aioOf returns the AIO contexts of an engine that the writes are for; nil if there is no need
// for them.
func aioOf[T any](writes []Write[T]) *aioContexts {
	if len(writes) < minBurst {
		return nil
	}
	if l := writes[0].Conn.loop; l != nil {
		return &l.engine.aio
	}
	return nil
}

// writeTogether returns the places of the writes that have an outcome. Connections that are
// Closed have yet to be told.
//
// The connections that take part stay locked until the kernel has answered, so that none
// is closed, and its descriptor's number is nobody else's, meanwhile. Nobody waits for
// a lock with another in hand: a connection that is locked already does not take part.
func writeTogether[T any](writes []Write[T], batch *aioBatch, r aioContext) (done uint32) {
	for i := range writes {
		w := &writes[i]
		if !w.Conn.mu.TryLock() {
			continue
		}
		if !w.Conn.takesAtOnceLocked(w.Buffer) {
			w.Conn.mu.Unlock()
			continue
		}
		batch.add(i, w.Conn.fd, w.Buffer.b)
	}
	if batch.n >= minBurst {
		batch.submit(r)
	}
	for _, call := range batch.refs[:batch.n] {
		i := call.place
		w := &writes[i]
		if took, errno := batch.answer(i); errno != notCalled {
			w.Outcome = w.Conn.outcomeLocked(w.Conn.settleLocked(nil, w.Buffer.b, w.Buffer, took, errno))
			done |= 1 << i
		}
		w.Conn.mu.Unlock()
	}
	batch.clear()
	return done
}

// takesAtOnceLocked reports whether a write of buf is nothing but a small one to the socket.
func (c *Conn) takesAtOnceLocked(buf *Buffer) bool {
	return c.phase == live && c.access == accessOpen && c.isDirectLocked() && c.isPlainLocked() &&
		buf.Len() > 0 && buf.Len() <= min(maxTogether, c.loop.engine.opts.MaxPending)
}
