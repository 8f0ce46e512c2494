//go:build linux

package netpoll

import (
	"fmt"
	"sync/atomic"
	"time"

	easygo "github.com/mailru/easygo/netpoll"

	"github.com/fanfare-ws/fanfare/netpoll/histogram"
	"github.com/fanfare-ws/fanfare/netpoll/internal/sys"
)

// lag measures how long a loop takes to look at an event: while it is held, or has no processor, its connections wait
// for it. The monitor raises an event of the engine's own, on which the loop's goroutine reads the clock.
type lag struct {
	event  sys.Event
	raised atomic.Int64 // when, in nanoseconds of Clock.Elapsed; 0 if the loop has looked
	times  histogram.Histogram
}

// watchLag registers the event.
func (l *loop) watchLag() (err error) {
	if l.lag.event, err = sys.NewEvent(); err != nil {
		return fmt.Errorf("netpoll: eventfd: %w", err)
	}
	return l.poll.Add(int(l.lag.event), easygo.EPOLLIN|easygo.EPOLLET, func(easygo.EpollEvent) {
		if at := l.lag.raised.Swap(0); at != 0 {
			l.lag.times.Observe(l.engine.clock.Elapsed() - time.Duration(at))
		}
	})
}

// probe raises the event, unless the loop has yet to look at the last one.
func (l *loop) probe() {
	if now := int64(l.engine.clock.Elapsed()); l.lag.raised.CompareAndSwap(0, max(now, 1)) {
		l.lag.event.Raise()
	}
}

// probeEvery is the number of looks between two measurements of the lag, of about 2 ms each.
const probeEvery = 50

// probe measures the lag of the loops: at every probeEvery-th look while there is work, and at the sweep after some. It wakes
// loops that sleep, which costs each some 50 µs, so it leaves an idle engine alone.
func (m *monitor) probe() {
	m.unprobed = 0
	for _, l := range m.engine.loops {
		l.probe()
	}
}
