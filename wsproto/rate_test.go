package wsproto

import (
	"math"
	"testing"
	"time"
)

// TestRateConforms plays messages at given times against a rate.
func TestRateConforms(t *testing.T) {
	const ms = time.Millisecond
	type step struct {
		after time.Duration // the step before
		n     int
		wait  time.Duration
	}
	for name, tt := range map[string]struct {
		rate  Rate
		steps []step
	}{
		"no limit": {Rate{}, []step{{0, math.MaxInt, 0}, {0, math.MaxInt, 0}}},
		"a burst of a second": {Rate{Messages: 4}, []step{
			{0, 0, 0}, {0, 0, 0}, {0, 0, 0}, {0, 0, 0}, {0, 0, 250 * ms}, {100 * ms, 0, 150 * ms}, {150 * ms, 0, 0}, {0, 0, 250 * ms},
			{time.Hour, 0, 0}, {0, 0, 0}, {0, 0, 0}, {0, 0, 0}, {0, 0, 250 * ms}}},
		"bytes": {Rate{Bytes: 1000}, []step{{0, 500, 0}, {0, 400, 0}, {0, 200, 100 * ms}, {0, 100, 0}, {0, 1, ms}}},
		"both":  {Rate{Messages: 10, Bytes: 1000}, []step{{0, 1, 0}, {0, 900, 0}, {0, 0, 100 * ms}}},
		"a message above the burst comes when the credit is full, and leaves a debt": {Rate{Bytes: 1000, Burst: 100 * ms}, []step{
			{0, 5000, 0}, {0, 1, 4901 * ms}, {4901 * ms, 1, 0}, {0, 5000, 100 * ms}, {100 * ms, 5000, 0}}},
		"no burst to speak of":                     {Rate{Messages: 2, Burst: 1}, []step{{0, 0, 0}, {0, 0, 500 * ms}, {500 * ms, 0, 0}, {499 * ms, 0, ms}}},
		"more a second than there are nanoseconds": {Rate{Messages: math.MaxInt, Bytes: math.MaxInt}, []step{{0, 1 << 30, 0}, {0, 1 << 30, 0}}},
		"less than a byte in a year":               {Rate{Bytes: 1}, []step{{0, math.MaxInt, 0}, {0, 0, 0}, {0, math.MaxInt, longest}, {longest, 1, 0}}},
		"a burst for ever":                         {Rate{Bytes: 1, Burst: math.MaxInt64}, []step{{0, math.MaxInt, 0}, {0, 0, 0}, {0, 1, time.Second}}},
		"negative":                                 {Rate{Messages: -1, Bytes: -1}, []step{{0, -5, 0}, {0, -5, 0}}},
	} {
		var full moment
		now := moment(time.Hour)
		for i, s := range tt.steps {
			now = now.add(s.after)
			if wait := tt.rate.take(&full, s.n, now); wait != s.wait {
				t.Errorf("%s: message %d of %d bytes must wait %v, want %v", name, i, s.n, wait, s.wait)
			}
		}
	}
}

// TestRateLongRun: in the long run exactly the rate comes through.
func TestRateLongRun(t *testing.T) {
	r, full, passed := Rate{Messages: 7}, moment(0), 0
	for now := moment(0); now < moment(100*time.Second); now = now.add(time.Millisecond) {
		if r.take(&full, 0, now) == 0 {
			passed++
		}
	}
	if passed < 7*101-1 || passed > 7*101+1 {
		t.Errorf("%d messages in 100 s and a burst of one, want %d", passed, 7*101)
	}
}
