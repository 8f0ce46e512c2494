package wsproto

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"time"
)

// Rate bounds how fast messages may come. A message of n bytes costs as much time as the rate
// allows for it: max(1/Messages, n/Bytes) seconds. The sender has a credit of Burst, from which
// messages are paid, and which grows by a second each second until it is full. A message that
// costs more than Burst conforms when the credit is full, and leaves a debt. This is GCRA, the
// generic cell rate algorithm; its state is one time (see [Conn.Take]). The zero Rate has no
// limit.
type Rate struct {
	Messages int           // a second; no limit if 0
	Bytes    int           // a second; no limit if 0
	Burst    time.Duration // 1 s if 0
}

// ErrRate says that messages came faster than Server.Rate allows.
var ErrRate = errors.New("wsproto: messages came faster than the rate that the server allows")

// longest bounds a cost, so that sums of a few cannot overflow.
const longest = 50 * 365 * 24 * time.Hour

// cost returns how much of the credit a message of n bytes uses up.
func (r *Rate) cost(n int) time.Duration {
	switch {
	case r.Bytes > 0 && n > 0 && (r.Messages <= 0 || exceeds(n, r.Messages, r.Bytes)): // n/Bytes > 1/Messages
		return time.Duration(min(math.Ceil(float64(n)/float64(r.Bytes)*float64(time.Second)), float64(longest)))
	case r.Messages <= 0 || r.Messages > int(time.Second):
		return 0
	}
	return time.Duration(uint32(time.Second) / uint32(r.Messages)) // a division of 64 bits takes twice as long
}

// exceeds reports whether a*b > c, for numbers that are not negative.
func exceeds(a, b, c int) bool {
	high, low := bits.Mul64(uint64(a), uint64(b))
	return high > 0 || low > uint64(c)
}

// take pays a message of n bytes that comes at now. full is the time at which the credit is full
// again. If the message does not conform, take changes nothing, and returns how long it must
// wait.
func (r *Rate) take(full *moment, n int, now moment) (wait time.Duration) {
	burst, cost := min(cmp.Or(r.Burst, time.Second), longest), r.cost(n)
	owed := max(full.sub(now), 0)
	if wait = owed - max(burst-cost, 0); wait > 0 && cost > 0 {
		return wait
	}
	*full = now.add(owed + cost)
	return 0
}

func (r *Rate) validate(name string) error {
	if r != nil && (r.Messages < 0 || r.Bytes < 0 || r.Burst < 0) {
		return fmt.Errorf("wsproto: %s is %d messages and %d bytes a second, with a burst of %v; none of them may be negative", name, r.Messages, r.Bytes, r.Burst)
	}
	return nil
}

// moment is a time in nanoseconds since the program began, on the monotonic clock.
type moment int64

func thisMoment() moment { return moment(time.Since(began)) }

func (m moment) add(d time.Duration) moment { return m + moment(d) }

func (m moment) sub(o moment) time.Duration { return time.Duration(m - o) }
