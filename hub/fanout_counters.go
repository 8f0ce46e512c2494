package hub

import (
	"sync/atomic"

	"github.com/fanfare-ws/fanfare/netpoll/histogram"
)

// passCounters are those of the passes of some loops. In a topic with few subscribers there is a pass for each message, so
// counters that loops share would move from processor to processor with every message. These have cache lines of their own.
type passCounters struct {
	took      histogram.Histogram
	delivered atomic.Int64
	_         [64]byte
}

// passShards is for how many loops there are passCounters, so that loops seldom share some.
const passShards = 8

// counters returns those of the passes of a shard.
func (sh *shard) counters() *passCounters { return &sh.topic.hub.passes[sh.loop%passShards] }

// addTo adds the counters to s.
func (p *passCounters) addTo(s *Stats) {
	p.took.AddTo(&s.FanOut)
	s.Delivered += p.delivered.Load()
}
