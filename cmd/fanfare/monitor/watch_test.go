package monitor

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
)

func TestMain(m *testing.M) { netpolltest.Main(m, func() {}) }

// watched is a Watch of a state that the test changes, with what it logs.
type watched struct {
	*Watch
	now Snapshot
	log bytes.Buffer
}

func watch() *watched {
	w := &watched{now: Snapshot{Time: time.Unix(1000, 0)}}
	w.Watch = NewWatch(func() Snapshot { return w.now }, slog.New(slog.NewTextHandler(&w.log, nil)))
	return w
}

// look lets a Tick pass, during which somebody asks twice. It returns the names of the alerts.
func (w *watched) look() (names []string) {
	begin := w.now.Time
	for _, d := range []time.Duration{time.Second, Tick - time.Second} {
		w.now.Time = begin.Add(d)
		w.Snapshot()
	}
	w.now.Time = begin.Add(Tick)
	w.Look()
	for _, a := range w.Snapshot().Alerts {
		names = append(names, a.Name)
	}
	return names
}

// lines returns what is logged, and forgets it.
func (w *watched) lines() []string {
	text := strings.TrimSpace(w.log.String())
	w.log.Reset()
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

// One bad second is no alert, whether a rate, a quantile or a gauge shows it.
func TestBadSecond(t *testing.T) {
	for name, bad := range map[string]func(s *Snapshot){
		"evicted": func(s *Snapshot) { s.Topics.Evicted = 100 }, // 1.7 a second for a minute
		"refused": func(s *Snapshot) { s.Conns.Refusals = map[string]int64{"full": 5000} },
		"lag":     func(s *Snapshot) { s.Engine.LoopLag = halfSeconds(5000) },
		"wait":    func(s *Snapshot) { s.Engine.ReadyWait, s.Engine.LongestWait = halfSeconds(1), 0.5 },
	} {
		w := watch()
		for range 2 * window {
			w.look()
		}
		bad(&w.now)
		w.look()
		w.now.Engine.LongestWait = 0
		for range 3 * window {
			w.look()
		}
		if got := w.lines(); got != nil {
			t.Errorf("%s: it logs %q", name, got)
		}
		if len(w.before) != window {
			t.Errorf("it keeps %d states", len(w.before))
		}
	}
}

// An alert begins when its condition has held for the time of its rule, and ends when it has been false for a while. What comes
// and goes meanwhile is the same alert.
func TestWatch(t *testing.T) {
	w := watch()
	if s := w.Snapshot(); len(s.Alerts) != 0 || s.Alerts == nil {
		t.Errorf("before the first look: %v", s.Alerts)
	}
	w.look()
	w.now.Topics.Open, w.now.Topics.Limit = 95, 100
	looks := 0
	for w.look() == nil {
		looks++
	}
	if took := time.Duration(looks) * Tick; took != time.Minute {
		t.Errorf("it begins after %v", took)
	}
	for range 3 {
		w.now.Topics.Open = 0
		for range Keep/Tick - 2 {
			if got := w.look(); len(got) != 1 {
				t.Fatalf("it ends too soon: %v", got)
			}
		}
		w.now.Topics.Open = 95
		w.look()
	}
	if got := w.lines(); len(got) != 1 || !strings.Contains(got[0], `level=WARN msg="an alert begins" alert=FanfareTopicsNearLimit severity=warning reason="topics: 95 of 100. Nearly`) {
		t.Errorf("it logs %q", got)
	}
	w.now.Topics.Open = 0
	for looks = 0; w.look() != nil; {
		looks++
	}
	if took := time.Duration(looks+1) * Tick; took != Keep {
		t.Errorf("it ends after %v", took)
	}
	if got := w.lines(); len(got) != 1 || !strings.Contains(got[0], `level=INFO msg="an alert ends" alert=FanfareTopicsNearLimit`) {
		t.Errorf("it logs %q", got)
	}
}

// A handler that blocks between two looks is seen, and so is one that still does.
func TestBlockBetweenLooks(t *testing.T) {
	w := watch()
	w.look()
	w.now.Engine.BlockedEver = 1
	if got := w.look(); !slices.Equal(got, []string{"FanfareWorkersBlocked"}) {
		t.Errorf("alerts are %v", got)
	}
	w = watch()
	w.now.Engine.Blocked = 1
	if got := w.Snapshot().Alerts; len(got) != 1 || got[0].Name != "FanfareWorkersBlocked" || got[0].Severity != Critical {
		t.Errorf("alerts are %v", got)
	}
}

// A state that was taken before another but comes after it changes no alert.
func TestLateState(t *testing.T) {
	w := watch()
	w.look()
	early := w.now
	early.Engine.Blocked = 1
	w.look()
	w.mu.Lock()
	w.noteLocked(&early)
	w.mu.Unlock()
	if got := w.lines(); got != nil || len(early.Alerts) != 0 {
		t.Errorf("it logs %q", got)
	}
}

// Start and Close can be called while others ask; without Start, Close does nothing.
func TestWatchCloses(t *testing.T) {
	w := NewWatch(func() Snapshot { return Snapshot{Time: time.Now()} }, slog.New(slog.DiscardHandler))
	w.Close()
	w.Start()
	w.Snapshot()
	w.Close()
	w.Close()
	w.Snapshot()
}
