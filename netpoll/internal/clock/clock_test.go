//go:build linux

package clock

import (
	"testing"
	"time"
)

func TestTick(t *testing.T) {
	const top = ^uint32(0)
	for _, test := range []struct {
		now     Tick
		d       time.Duration
		at      uint32
		reached bool // already at now
	}{
		{1, 0, 1, true},
		{1, time.Millisecond - 1, 1, true},
		{1, time.Millisecond, 2, false},
		{1, time.Hour, 1 + 3600_000, false},
		{Tick(top), time.Millisecond, 1, false}, // 0 means none
		{Tick(top), 5 * time.Millisecond, 4, false},
		{1, 100 * 365 * 24 * time.Hour, 1 + 24*24*3600_000, false},
	} {
		at := test.now.After(test.d)
		if at != test.at || test.now.Reached(at) != test.reached {
			t.Errorf("%v after %d: %d, reached %v; want %d, %v", test.d, test.now, at, test.now.Reached(at), test.at, test.reached)
		}
		if !Tick(at).Reached(at) || !Tick(at+1000).Reached(at) {
			t.Errorf("the deadline %d is never reached", at)
		}
	}
}
