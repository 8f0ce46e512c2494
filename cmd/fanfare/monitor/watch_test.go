package monitor

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
)

func TestMain(m *testing.M) { netpolltest.Main(m, func() {}) }

// An alert is logged when it begins and when it ends. Rates are those of the last minute.
func TestWatch(t *testing.T) {
	now := Snapshot{Time: time.Unix(1000, 0)}
	var log bytes.Buffer
	w := NewWatch(func() Snapshot { return now }, slog.New(slog.NewTextHandler(&log, nil)))
	if s := w.Snapshot(); len(s.Alerts) != 0 || s.Alerts == nil {
		t.Errorf("before the first look: %v", s.Alerts)
	}
	look := func() {
		now.Time = now.Time.Add(Tick)
		w.Look()
	}
	look()
	now.Topics.Evicted = 100 // 1.7 a second for a minute
	look()
	for i := range window - 1 {
		if s := w.Snapshot(); len(s.Alerts) != 1 || s.Alerts[0].Name != "FanfareSlowConsumers" {
			t.Errorf("after %d more looks: %v", i, s.Alerts)
		}
		look()
	}
	if s := w.Snapshot(); len(s.Alerts) != 0 {
		t.Errorf("after a minute: %v", s.Alerts)
	}
	look()
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], `level=WARN msg="an alert begins" alert=FanfareSlowConsumers severity=warning`) ||
		!strings.Contains(lines[1], `level=INFO msg="an alert ends" alert=FanfareSlowConsumers`) {
		t.Errorf("it logs:\n%s", log.String())
	}
	if len(w.before) != window {
		t.Errorf("it keeps %d states", len(w.before))
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
