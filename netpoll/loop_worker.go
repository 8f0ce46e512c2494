//go:build linux

package netpoll

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/fanfare-ws/fanfare/netpoll/internal/clock"
	"github.com/fanfare-ws/fanfare/netpoll/internal/memory"
)

// worker has the buffers of a drainer: one to read into and one to
// gather writes in, so that an idle connection needs neither.
type worker struct {
	in  []byte
	out output
	// The turn under way, if there is one: the number of bytes at the front of in that the
	// handler had left over, whether the handler must see them before more is read, whether
	// reading may go on, and whether the turn has read the socket until it was empty.
	turning   bool
	kept      int
	unseen    bool
	ready     bool
	emptied   bool
	transport transport // the connection's, if it is ready
	// For the monitor: the connection of the last turn, and the number of turns
	// that have begun.
	conn  atomic.Pointer[Conn]
	turns atomic.Uint32
	// The same for tasks; turns counts their runs, too. nil when none is running.
	task  atomic.Pointer[Task]
	seen  uint32     // turns at the monitor's last look
	stuck clock.Tick // when it has first seen that the turn goes on; 0 if it does not
	told  bool       // it has reported that
	index int        // in workers.busy

	// For discardIdle: turns at its last call, and whether the buffers have been discarded since.
	idled     uint32
	discarded bool

	number int             // in profiles: see labelled
	labels context.Context // the same
}

func (w *worker) enter(c *Conn) {
	w.turning, w.emptied = true, false
	w.turns.Add(1)
	w.conn.Store(c)
}

// run has w run a task.
func (w *worker) run(t *Task) {
	w.turns.Add(1)
	w.task.Store(t)
	t.loop.engine.protect(t.runner.Run)
	w.task.Store(nil)
}

// workers hands out workers and keeps a few idle ones.
type workers struct {
	mu   sync.Mutex
	idle []*worker
	busy []*worker
	keep int
	size int // of a worker's buffers
	out  int
	made int // workers, ever
}

// count returns the number of workers that are in use.
func (k *workers) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.busy)
}

func (k *workers) get() *worker {
	k.mu.Lock()
	defer k.mu.Unlock()
	var w *worker
	if n := len(k.idle); n > 0 {
		w = k.idle[n-1]
		k.idle[n-1] = nil
		k.idle = k.idle[:n-1]
	} else {
		k.made++
		w = &worker{in: make([]byte, k.size), number: k.made, labels: labelled(k.made)}
		w.out.gathered = make([]byte, 0, k.out)
	}
	w.index = len(k.busy)
	k.busy = append(k.busy, w)
	return w
}

// discardIdle gives the memory of buffers back to the system whose worker has been idle since the last call. The buffers remain
// allocated, so that a worker that is needed again costs page faults, and no garbage. Only the monitor calls it.
func (k *workers) discardIdle() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, w := range k.idle {
		if turns := w.turns.Load(); turns != w.idled {
			w.idled, w.discarded = turns, false
		} else if !w.discarded {
			memory.Discard(w.in)
			memory.Discard(w.out.gathered)
			w.discarded = true
		}
	}
}

func (k *workers) put(w *worker) {
	w.conn.Store(nil) // an idle worker keeps no connection alive
	w.turns.Add(1)    // the last turn is over
	w.transport = nil
	k.mu.Lock()
	defer k.mu.Unlock()
	last := len(k.busy) - 1
	k.busy[w.index] = k.busy[last]
	k.busy[w.index].index = w.index
	k.busy[last] = nil
	k.busy = k.busy[:last]
	if len(k.idle) < k.keep {
		k.idle = append(k.idle, w)
	}
}
