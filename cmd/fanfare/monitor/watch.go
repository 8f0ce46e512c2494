package monitor

import (
	"log/slog"
	"sync"
	"time"
)

const (
	// Tick is the time between two looks of a Watch.
	Tick = 10 * time.Second
	// window is how many states are kept. The present one is compared with the first of them, which is 50 seconds old, or a little
	// more if looks are late. So what lasts for a second makes a condition hold for less than a minute, which most rules need.
	window = 5
)

// Watch looks at the state of a server from time to time, and whenever it is asked. It knows what is wrong, and logs what begins
// to be wrong and what is no longer wrong. Its methods may be called from any goroutine.
type Watch struct {
	take func() Snapshot
	log  *slog.Logger

	mu     sync.Mutex
	before []Snapshot // those of the last ticks, the oldest first; at most window
	latest time.Time  // of the states that the alerts have seen
	alerts []alert    // one for each of the rules

	stop, done chan struct{} // nil before Start
}

// NewWatch returns a Watch of the states that take returns. It takes none yet.
func NewWatch(take func() Snapshot, log *slog.Logger) *Watch {
	return &Watch{take: take, log: log, alerts: make([]alert, len(rules))}
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
	w.mu.Lock()
	defer w.mu.Unlock()
	w.noteLocked(&s)
	return s
}

// Look looks at the state once more, and keeps it to compare later ones with it.
func (w *Watch) Look() {
	s := w.take()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.noteLocked(&s)
	if len(w.before) == window {
		copy(w.before, w.before[1:])
		w.before = w.before[:window-1]
	}
	w.before = append(w.before, s)
}

// noteLocked brings the alerts up to date with s, and adds them to it. A state that was taken before another but comes after
// it changes nothing. The lock is held for the log, too, so that its lines come in order.
func (w *Watch) noteLocked(s *Snapshot) {
	was := s
	if len(w.before) > 0 {
		was = &w.before[0]
	}
	fresh := !s.Time.Before(w.latest)
	if fresh {
		w.latest = s.Time
	}
	s.Alerts = []Alert{}
	for i := range rules {
		r, a := &rules[i], &w.alerts[i]
		before := a.active
		if fresh {
			a.look(r, was, s)
		}
		if a.active {
			s.Alerts = append(s.Alerts, Alert{Name: r.Name, Severity: r.Severity, Text: a.text})
		}
		w.logChange(r, before, a)
	}
}

// logChange logs that an alert has begun or ended.
func (w *Watch) logChange(r *Rule, before bool, a *alert) {
	switch {
	case a.active && !before:
		w.log.Warn("an alert begins", "alert", r.Name, "severity", r.Severity, "reason", a.text)
	case before && !a.active:
		w.log.Info("an alert ends", "alert", r.Name)
	}
}
