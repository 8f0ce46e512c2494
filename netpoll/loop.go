//go:build linux

package netpoll

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/fanfare-ws/fanfare/netpoll/internal/ready"
	easygo "github.com/mailru/easygo/netpoll"
)

// loop is one epoll instance with its share of the connections.
type loop struct {
	engine          *Engine
	id              int
	poll            *easygo.Epoll
	drain           func() // the pool's task, made once
	ready           ready.Queue[turner]
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

// turner is an item of a ready queue: a connection or a [Task].
type turner interface {
	turn(w *worker)
}

// push gives t a turn, after those that wait already.
func (l *loop) push(t turner) ready.Pushed {
	e := l.engine
	if !e.monitor.armed.Load() { // else the monitor updates it
		e.clock.Update()
	}
	p := l.ready.Push(t, e.clock.Coarse.Load())
	if p.Submitted {
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
			l.ready.Unsubmit(n)
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
	for t := l.ready.Pop(); t != nil; t = l.ready.Pop() {
		t.turn(w)
	}
	return true
}

// A loop that went back to epoll whenever it could would collect single events, each at
// the price of a system call and two context switches, on a processor that
// its drainers need. So it keeps pace with them: it yields when it has submitted
// one, and while many connections wait it is held until the queue is empty; then it collects
// the events of that time in one call. With 1,000 connections that echo one message
// each on two processors this reduces calls of epoll_pwait from 0.37 per message to
// 0.05, and context switches to a fifth.
const (
	yieldEvery = 16 // at most once in so many events
	holdAt     = 64 // waiting
)

// keepPace is called by the callbacks after a push, only on the loop's goroutine.
func (l *loop) keepPace(now ready.Pushed) {
	l.events++
	switch {
	case now.Waiting >= holdAt && l.ready.Hold():
		<-l.ready.Slack
	case now.Submitted && l.events-l.yielded >= yieldEvery:
		l.yielded = l.events
		runtime.Gosched()
	}
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
