package session

import (
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"

	"github.com/fanfare-ws/fanfare/wsproto"
)

// workers are a bounded number of goroutines that process the queues of connections outside of
// their turns. Connections that find no free goroutine wait in their order.
type workers struct {
	most int // 0: the turns process requests, and goroutines only continue after an answer of the program

	mu      sync.Mutex
	running int
	waiting []*session
}

// defaultWorkers is the number of goroutines if Options.Background is 0. They block only if a
// hook does.
const defaultWorkers = 64

func (w *workers) add(s *session) {
	w.mu.Lock()
	defer w.mu.Unlock()
	most := w.most
	if most == 0 {
		most = defaultWorkers
	}
	if w.running == most {
		w.waiting = append(w.waiting, s)
		return
	}
	w.running++
	go w.run(s)
}

func (w *workers) run(s *session) {
	for s != nil {
		s.runRecovering()
		s = w.next()
	}
}

func (w *workers) next() (s *session) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.waiting) == 0 {
		w.running--
		w.waiting = nil
		return nil
	}
	s = w.waiting[0]
	w.waiting[0] = nil
	w.waiting = w.waiting[1:]
	return s
}

// runRecovering keeps a panic of the program's functions from ending the process.
func (s *session) runRecovering() {
	defer func() {
		if v := recover(); v != nil {
			slog.Error("a hook of package session panicked", "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			s.WebSocket().Close(wsproto.InternalError, "the handler failed")
		}
	}()
	s.replying.Lock()
	s.run()
	s.replying.Unlock()
}
