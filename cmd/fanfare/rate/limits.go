package rate

import (
	"fmt"
	"math"
	"time"
)

// Limits are the rates that each key may use. Zero means no limit.
type Limits struct {
	Messages float64       // messages a second; may be below 1
	Bytes    float64       // bytes a second
	Burst    time.Duration // the part of the rates that may be used at once; 0 means DefaultBurst
}

// DefaultBurst is the burst of Limits that give none.
const DefaultBurst = time.Second

// longest bounds costs and bursts, so that no sum of times overflows. A message that costs more counts as this much.
const longest = 365 * 24 * time.Hour

// Validate returns an error that names the first bad value.
func (l Limits) Validate() error {
	for _, r := range []struct {
		name string
		rate float64
	}{{"messages a second", l.Messages}, {"bytes a second", l.Bytes}} {
		if math.IsNaN(r.rate) || math.IsInf(r.rate, 0) || r.rate < 0 {
			return fmt.Errorf("the limit of %s is %v; it must be 0, for no limit, or above", r.name, r.rate)
		}
	}
	if l.Burst < 0 || l.Burst > longest {
		return fmt.Errorf("the burst is %v; it must be between 0 and %v", l.Burst, longest)
	}
	return nil
}

// none reports whether there is no limit.
func (l Limits) none() bool { return !(l.Messages > 0) && !(l.Bytes > 0) }

// prices are Limits in the form that Take needs.
type prices struct {
	limits  Limits
	message time.Duration // the least cost of a message
	perByte float64       // nanoseconds
	burst   time.Duration
}

func (l Limits) prices() *prices {
	if l.Burst == 0 {
		l.Burst = DefaultBurst
	}
	p := &prices{limits: l, burst: min(max(l.Burst, 1), longest)}
	if l.Messages > 0 {
		p.message = atMostLongest(float64(time.Second) / l.Messages)
	}
	if l.Bytes > 0 {
		p.perByte = float64(time.Second) / l.Bytes
	}
	return p
}

// atMostLongest rounds up, so that a rate is never exceeded.
func atMostLongest(nanoseconds float64) time.Duration {
	if nanoseconds < float64(longest) {
		return time.Duration(math.Ceil(nanoseconds))
	}
	return longest
}

// pay returns when the credit will be full again if a message of n bytes is paid now from a credit that is full at the
// given time. If the credit is too small, it returns how long it takes until it suffices instead.
func (p *prices) pay(full, now time.Duration, n int) (next, wait time.Duration) {
	cost := p.message
	if n > 0 && p.perByte > 0 {
		cost = max(cost, atMostLongest(float64(n)*p.perByte))
	}
	full = max(full, now)
	if wait = full - now + min(cost, p.burst) - p.burst; wait > 0 {
		return full, wait
	}
	return full + cost, 0
}
