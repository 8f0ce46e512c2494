package main

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// shard has the counts of one loop's connections, so that loops do not contend for a lock. Usually one worker at a time
// serves a loop.
type shard struct {
	mu   sync.Mutex
	hist *hdrhistogram.Histogram
	counts
	broadcast broadcastShard
	_         [64]byte // keeps other shards out of its cache line
}

// counts are a shard's counts.
type counts struct {
	received int64 // messages without duplicates and foreign messages
	instead  int64 // those of received in whose place something else came
	last     int64 // time of the last received message

	duplicated, reordered, wrong int64
}

const (
	finest    = int64(time.Microsecond) // resolution of the histogram at its low end
	longest   = int64(10 * time.Minute) // longer times are recorded as this
	precision = 3                       // significant digits
)

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(finest, longest, precision)
}

func newShard() *shard { return &shard{hist: newHistogram()} }

// recordLocked counts a message that was received at now and was due or sent at from.
func (s *shard) recordLocked(from, now int64) {
	_ = s.hist.RecordValue(min(max(0, now-from), longest)) // the value is in range, so there is no error
	s.received++
	s.last = now
}

// replacedLocked counts something else that was received at now in the place of a message.
func (s *shard) replacedLocked(now int64) {
	s.received++
	s.instead++
	s.last = now
}

func (s *shard) totals() counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts
}

func (t *counts) add(u counts) {
	t.received += u.received
	t.instead += u.instead
	t.last = max(t.last, u.last)
	t.duplicated += u.duplicated
	t.reordered += u.reordered
	t.wrong += u.wrong
}

// restart resets the counts of all shards.
func (l *load) restart() {
	for _, s := range l.shards {
		s.mu.Lock()
		s.hist.Reset()
		s.counts = counts{}
		s.mu.Unlock()
	}
}

// merge returns the sum of shards.
func merge(shards []*shard) (*hdrhistogram.Histogram, counts) {
	h, t := newHistogram(), counts{}
	for _, s := range shards {
		s.mu.Lock()
		h.Merge(s.hist)
		t.add(s.counts)
		s.mu.Unlock()
	}
	return h, t
}
