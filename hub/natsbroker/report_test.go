package natsbroker

import (
	"fmt"
	"testing"
	"time"
)

func TestReports(t *testing.T) {
	var r reports
	now := time.Now()
	for i, tt := range []struct {
		after time.Duration
		text  string
		may   bool
	}{{0, "a", true}, {0, "a", false}, {1, "b", true}, {reportEvery - 2, "a", false}, {1, "a", true}, {0, "b", false}, {1, "b", true}} {
		now = now.Add(tt.after)
		if may := r.may(tt.text, now); may != tt.may {
			t.Errorf("%d: %v, want %v", i, may, tt.may)
		}
	}
	now = now.Add(reportEvery)
	many := 0
	for i := range 3 * maxReports {
		if r.may(fmt.Sprint(i), now) {
			many++
		}
	}
	if many != maxReports {
		t.Errorf("%d texts at once, want %d", many, maxReports)
	}
}
