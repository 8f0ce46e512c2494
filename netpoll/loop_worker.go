//go:build linux

package netpoll

import (
	"sync"
	"sync/atomic"
)

// worker has the buffers of a drainer: one to read into and one to
// gather writes in, so that an idle connection needs neither.
type worker struct {
	in  []byte
	out output
	// The turn under way, if there is one: the number of bytes at the front of in that the
	// handler had left over, whether the handler must see them before more is read, and
	// whether reading may go on.
	turning   bool
	kept      int
	unseen    bool
	ready     bool
	transport transport // the connection's, if it is ready
	// For the monitor: the connection of the last turn, and the number of turns
	// that have begun.
	conn  atomic.Pointer[Conn]
	turns atomic.Uint32
	seen  uint32 // turns at the monitor's last look
	index int    // in workers.busy
}

func (w *worker) enter(c *Conn) {
	w.turning = true
	w.turns.Add(1)
	w.conn.Store(c)
}

// workers hands out workers and keeps a few idle ones.
type workers struct {
	mu   sync.Mutex
	idle []*worker
	busy []*worker
	keep int
	size int // of a worker's buffers
	out  int
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
		w = &worker{in: make([]byte, k.size)}
		w.out.gathered = make([]byte, 0, k.out)
	}
	w.index = len(k.busy)
	k.busy = append(k.busy, w)
	return w
}

func (k *workers) put(w *worker) {
	w.conn.Store(nil) // an idle worker keeps no connection alive
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
