package wsproto

import "time"

// pace bounds for how long a peer is waited for while it sends, or takes, something: for
// timeout in all, but each rate bytes that it did give a second of that back. So a peer
// that is slow but steady has all the time that it needs; one that stops is given up
// after timeout, however fast it was before; and a byte now and then earns nothing.
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

// credit takes note of n bytes.
func (p *pace) credit(n int) {
	switch {
	case p.rate > 0:
		p.left = min(p.left+transferTime(n, p.rate), p.timeout)
	case n > 0:
		p.left = p.timeout
	}
}

// wait calls f, which waits until a time at most, and takes note of how long it did.
func (p *pace) wait(f func(until time.Time)) {
	begin := time.Now()
	f(begin.Add(p.left))
	p.left -= time.Since(begin)
}

// piece returns how many bytes are to be written at a time: so few that a peer which
// takes rate bytes a second is in time.
func (p *pace) piece() int {
	const least, most = 4 << 10, 64 << 10
	if p.rate <= 0 {
		return most
	}
	return int(min(max(p.timeout.Seconds()*float64(p.rate)/2, least), most))
}

// transferTime is how long n bytes may take at rate.
func transferTime(n, rate int) time.Duration {
	return time.Duration(float64(n) / float64(rate) * float64(time.Second))
}

// tick is a time in milliseconds, modulo 2^32. 0 is no time.
type tick uint32

var began = time.Now()

func now() tick { return tick(time.Since(began)/time.Millisecond) | 1 }

func (t tick) add(d time.Duration) tick { return t + tick(d/time.Millisecond) | 1 }

// until returns the time from u to t.
func (t tick) until(u tick) time.Duration { return time.Duration(int32(t-u)) * time.Millisecond }

// tickPace is a pace in eight bytes for what is not waited for, but looked at now and
// then: due is when the peer is late, and seen what it has been credited.
type tickPace struct {
	due  tick // 0 until something came
	seen uint32
}

// credit takes note that n bytes have come so far.
func (p *tickPace) credit(n int, timeout time.Duration, rate int) {
	most := now().add(timeout)
	if p.due == 0 || rate <= 0 {
		p.due, p.seen = most, uint32(n)
		return
	}
	earned := transferTime(int(uint32(n)-p.seen), rate).Truncate(time.Millisecond)
	if due := p.due.add(earned); due.until(most) < 0 {
		p.due, p.seen = due, p.seen+uint32(earned.Seconds()*float64(rate))
	} else {
		p.due, p.seen = most, uint32(n)
	}
}
