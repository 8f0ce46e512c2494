package wsproto

import "time"

// pace bounds for how long a peer is waited for while it sends, or takes, something: as
// long as timeout in all, and a second more for each rate bytes that it did. So a peer
// that is slow but steady has all the time that it needs, one that stops is given up,
// and so is one that sends a byte now and then.
type pace struct {
	timeout time.Duration
	rate    int // bytes a second
	left    time.Duration
}

// newPace returns a pace without a bound if timeout is negative. If rate is, each byte has
// timeout anew.
func newPace(timeout time.Duration, rate int) pace {
	if timeout < 0 {
		timeout = unbounded
	}
	return pace{timeout, rate, timeout}
}

const unbounded = 100 * 365 * 24 * time.Hour

// credit takes note of n bytes. What was earned long ago does not count for ever.
func (p *pace) credit(n int) {
	if p.left = min(p.left, p.timeout); p.rate > 0 {
		p.left += transferTime(n, p.rate)
	} else if n > 0 {
		p.left = p.timeout
	}
}

// wait calls f, which waits until a time at most, and takes note of how long it did.
func (p *pace) wait(f func(until time.Time)) {
	begin := time.Now()
	f(begin.Add(p.left))
	p.left -= time.Since(begin)
}

// transferTime is how long n bytes may take at rate.
func transferTime(n, rate int) time.Duration {
	return time.Duration(float64(n) / float64(rate) * float64(time.Second))
}
