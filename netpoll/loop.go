//go:build linux

package netpoll

import (
	"sync"
	"sync/atomic"

	easygo "github.com/mailru/easygo/netpoll"
)

// loop is one epoll instance with its share of the connections.
type loop struct {
	engine          *Engine
	id              int
	poll            *easygo.Epoll
	drain           func() // the pool's task, made once
	ready           ready
	table           table
	largeReaders    largeReaders
	heavy           heavy
	events, yielded uint32 // see keepPace

	counters
}

// counters are what a loop has done so far; see Stats.
type counters struct {
	bytesIn, bytesOut       atomic.Int64
	messagesIn, messagesOut atomic.Int64
	queued                  atomic.Int64
	held                    atomic.Int64 // see budget
}

// push gives t a turn, after those that wait already.
func (l *loop) push(t turner) pushed {
	e := l.engine
	if !e.monitor.armed.Load() { // else the monitor updates it
		e.clock.update()
	}
	p := l.ready.push(t, e.clock.coarse.Load())
	if p.submitted {
		l.submit(1)
	}
	return p
}

// submit gives the pool n drainers, which are counted already. If all workers of the pool
// are busy, connections stay in the queue, and the monitor tries again.
func (l *loop) submit(n int) {
	l.engine.monitor.arm()
	for ; n > 0; n-- {
		if l.engine.pool.Submit(l.drain) != nil {
			l.ready.unsubmit(n)
			return
		}
	}
}

func (l *loop) drainReady() {
	w := l.engine.workers.get()
	defer l.engine.workers.put(w)
	for !l.takeTurns(w) {
	}
}

// takeTurns gives turns until the queue is empty. If a handler panics it returns
// early, and done is false. One recover for all turns keeps its cost off each of them.
func (l *loop) takeTurns(w *worker) (done bool) {
	defer func() {
		if v := recover(); v != nil {
			if !w.turning {
				panic(v) // not a handler's panic, but a bug of this package
			}
			w.conn.Load().recoverTurn(w, v)
		}
	}()
	for t := l.ready.pop(); t != nil; t = l.ready.pop() {
		t.turn(w)
	}
	return true
}

// table lists the connections of a loop, for the sweep and for the end. It is
// made of chunks, so that growth copies nothing. When a connection leaves, the last one
// takes its slot.
type table struct {
	mu     sync.Mutex
	chunks []*chunk
	n      int
	closed bool
}

const chunkSize = 512

type chunk [chunkSize]*Conn

// add reports whether c was added; it is not if the table is closed.
func (t *table) add(c *Conn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		c.slot = -1
		return false
	}
	if t.n == len(t.chunks)*chunkSize {
		t.chunks = append(t.chunks, new(chunk))
	}
	t.putLocked(t.n, c)
	t.n++
	return true
}

func (t *table) putLocked(i int, c *Conn) {
	t.chunks[i/chunkSize][i%chunkSize] = c
	c.slot = int32(i)
}

// remove removes c, if it was added.
func (t *table) remove(c *Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c.slot < 0 {
		return
	}
	t.n--
	last := t.chunks[t.n/chunkSize]
	t.putLocked(int(c.slot), last[t.n%chunkSize])
	last[t.n%chunkSize] = nil
	if spare := len(t.chunks) - 2; t.n <= spare*chunkSize && spare >= 0 {
		t.chunks[spare+1] = nil
		t.chunks = t.chunks[:spare+1]
	}
}

// close makes add refuse connections.
func (t *table) close() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
}

// each calls f, without the lock, for every connection that stays in the table throughout the
// call. buf is used to copy chunks: one goroutine at a time may call each with it.
func (t *table) each(buf *chunk, f func(*Conn)) {
	t.mu.Lock()
	from := len(t.chunks) - 1
	t.mu.Unlock()
	// It begins at the end, so that a connection that takes the slot of another has been
	// seen already.
	for ; from >= 0; from-- {
		t.mu.Lock()
		if from = min(from, len(t.chunks)-1); from < 0 {
			t.mu.Unlock()
			return
		}
		*buf = *t.chunks[from]
		t.mu.Unlock()
		for j, c := range buf {
			if c != nil {
				f(c)
				buf[j] = nil
			}
		}
	}
}
