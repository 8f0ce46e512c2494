package paced

import (
	"testing"
	"time"
)

func TestMay(t *testing.T) {
	var l Log
	now := time.Now()
	for i, tt := range []struct {
		after time.Duration
		left  int
		ok    bool
	}{{0, 0, true}, {0, 0, false}, {Pause - 1, 0, false}, {1, 2, true}, {Pause, 0, true}} {
		now = now.Add(tt.after)
		if left, ok := l.may(now); left != tt.left || ok != tt.ok {
			t.Errorf("%d: %d, %v; want %d, %v", i, left, ok, tt.left, tt.ok)
		}
	}
}
