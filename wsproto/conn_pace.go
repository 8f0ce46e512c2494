package wsproto

import "time"

// pace bounds the time that a peer may take to send or to take data: timeout in all, but each
// rate bytes give one second of it back. So a slow and steady peer has all the time that it
// needs, a peer that stops is given up after timeout, however fast it was before, and a byte
// now and then earns nothing.
type pace struct {
	timeout time.Duration
	rate    int // bytes a second
	left    time.Duration
}

// newPace returns a pace without a bound if timeout is negative. If rate is negative, each
// byte restores the whole timeout.
func newPace(timeout time.Duration, rate int) pace {
	if timeout < 0 {
		timeout = unbounded
	}
	return pace{timeout, rate, timeout}
}

const unbounded = 100 * 365 * 24 * time.Hour

// credit notes that n bytes were transferred.
func (p *pace) credit(n int) {
	switch {
	case p.rate > 0:
		p.left = min(p.left+transferTime(n, p.rate), p.timeout)
	case n > 0:
		p.left = p.timeout
	}
}

// wait calls f, which must not wait beyond until, and deducts the time that it took.
func (p *pace) wait(f func(until time.Time)) {
	begin := time.Now()
	f(begin.Add(p.left))
	p.left -= time.Since(begin)
}

// piece returns how many bytes to write at a time: so few that a peer which takes rate bytes
// a second is in time.
func (p *pace) piece() int {
	const least, most = 4 << 10, 64 << 10
	if p.rate <= 0 {
		return most
	}
	return int(min(max(p.timeout.Seconds()*float64(p.rate)/2, least), most))
}

// transferTime returns how long n bytes may take at rate.
func transferTime(n, rate int) time.Duration {
	return time.Duration(float64(n) / float64(rate) * float64(time.Second))
}

// tick is a time in milliseconds, modulo 2^32. 0 means no time.
type tick uint32

var began = time.Now()

func now() tick { return tick(time.Since(began)/time.Millisecond) | 1 }

func (t tick) add(d time.Duration) tick { return t + tick(d/time.Millisecond) | 1 }

// until returns the time from u to t.
func (t tick) until(u tick) time.Duration { return time.Duration(int32(t-u)) * time.Millisecond }

// tickPace is a pace in eight bytes, for a peer that nothing waits for, but that is checked
// now and then: due is when the peer is late, and seen the number of bytes that it was
// credited for.
type tickPace struct {
	due  tick // 0 until a byte came
	seen uint32
}

// credit notes that n bytes have come so far.
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
