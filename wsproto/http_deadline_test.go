package wsproto

import (
	"testing"
	"time"
)

// A limit that is set while an earlier one is being applied remains in effect.
func TestLimitIsNotOvertaken(t *testing.T) {
	var l ownDeadline
	cut, until := time.Unix(1, 0), time.Unix(100, 0)
	var set []time.Time
	l.apply(until, func(at time.Time) error {
		if set = append(set, at); len(set) == 1 {
			l.set(cut)
		}
		return nil
	})
	if len(set) != 2 || !set[0].Equal(until) || !set[1].Equal(cut) {
		t.Errorf("set %v", set)
	}
	l.set(time.Time{})
	l.apply(until, func(at time.Time) error {
		if !at.Equal(until) {
			t.Errorf("without a limit: %v", at)
		}
		return nil
	})
}
