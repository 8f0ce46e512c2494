package conns

import (
	"math"
	"time"
)

// clockPoll is how long the goroutine sleeps at most: it does not notice if the clock is set.
const clockPoll = 5 * time.Second

// rouse makes the goroutine look earlier than it would.
func (r *Registry) rouse(expires uint32) {
	if expires == 0 || expires >= r.wake.Load() {
		return
	}
	select {
	case r.woken <- struct{}{}:
	default:
	}
}

func (r *Registry) run() {
	defer close(r.done)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-r.stop:
			return
		case <-r.woken:
		case <-timer.C:
		}
		if pause := r.look(); pause > 0 {
			timer.Reset(pause)
		}
	}
}

// look ends the connections that have expired, and returns the time until the next look, or 0 if there is no reason for
// one. While it looks, and if there is none, every connection that is added rouses the goroutine.
func (r *Registry) look() time.Duration {
	r.wake.Store(math.MaxUint32)
	r.Sweep()
	first := uint32(0)
	for i := range r.shards {
		if t := r.shards[i].next(); t != 0 && (first == 0 || t < first) {
			first = t
		}
	}
	if first == 0 {
		return 0
	}
	now := r.now()
	at := time.Unix(int64(first), 0)
	if latest := now.Add(clockPoll); at.After(latest) {
		at = latest
	}
	r.wake.Store(seconds(at))
	return max(at.Sub(now), time.Millisecond)
}

// Sweep ends the connections that have expired, and returns how many. The goroutine of Start does that by itself.
func (r *Registry) Sweep() (n int) {
	now := seconds(r.now())
	batch := make([]Target, 0, batchSize)
	for i := range r.shards {
		n += each(func(t Target) { t.End(Expired) }, batch, func(at int, batch []Target) ([]Target, int) { return r.shards[i].due(now, at, batch) })
	}
	r.expired.Add(uint64(n))
	return n
}
