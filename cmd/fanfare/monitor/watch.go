package monitor

import (
	"log/slog"
	"sync"
	"time"
)

const (
	// Tick is the time between two looks of a Watch.
	Tick = 10 * time.Second
	// window is how many states are kept: the first of them, with which the present one is compared, is a minute old or a
	// little more.
	window = 7
)

// Watch looks at the state of a server from time to time, and logs what begins to be wrong and what is no longer wrong. Its
// methods may be called from any goroutine.
type Watch struct {
	take func() Snapshot
	log  *slog.Logger

	mu     sync.Mutex
	before []Snapshot          // the last ones, the oldest first; at most window
	active map[string]struct{} // the names of the alerts that are logged and not over

	stop, done chan struct{} // nil before Start
}

// NewWatch returns a Watch of the states that take returns. It takes none yet.
func NewWatch(take func() Snapshot, log *slog.Logger) *Watch {
	return &Watch{take: take, log: log, active: make(map[string]struct{})}
}

// Start makes the Watch look now and every Tick, until Close. It must be called only once.
func (w *Watch) Start() {
	w.stop, w.done = make(chan struct{}), make(chan struct{})
	w.Look()
	go w.run()
}

// Close ends what Start has begun. It does nothing before that. The Watch can still be asked.
func (w *Watch) Close() {
	if w.stop != nil {
		close(w.stop)
		<-w.done
		w.stop = nil
	}
}

func (w *Watch) run() {
	defer close(w.done)
	t := time.NewTicker(Tick)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			w.Look()
		case <-w.stop:
			return
		}
	}
}

// Snapshot returns the state of the server now, with the alerts.
func (w *Watch) Snapshot() Snapshot {
	s := w.take()
	was := s
	w.mu.Lock()
	if len(w.before) > 0 {
		was = w.before[0]
	}
	w.mu.Unlock()
	s.Alerts = Alerts(&was, &s)
	return s
}

// Look looks at the state once more, and logs what has changed.
func (w *Watch) Look() {
	s := w.Snapshot()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.before) == window {
		copy(w.before, w.before[1:])
		w.before = w.before[:window-1]
	}
	w.before = append(w.before, s)
	w.note(s.Alerts)
}

// note logs the difference between the alerts and those before. The lock is held, so that lines come in order.
func (w *Watch) note(now []Alert) {
	over := w.active
	w.active = make(map[string]struct{}, len(now))
	for _, a := range now {
		if _, known := over[a.Name]; !known {
			w.log.Warn("an alert begins", "alert", a.Name, "severity", a.Severity, "reason", a.Text)
		}
		w.active[a.Name] = struct{}{}
		delete(over, a.Name)
	}
	for _, r := range rules {
		if _, ended := over[r.Name]; ended {
			w.log.Info("an alert ends", "alert", r.Name)
		}
	}
}
