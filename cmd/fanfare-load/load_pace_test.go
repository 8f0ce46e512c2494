package main

import (
	"context"
	"testing"
	"time"
)

func TestPace(t *testing.T) {
	began := time.Now()
	now := func() int64 { return int64(time.Since(began)) }
	s := newSchedule(now(), 1000)
	sent := []int64{}
	if err := s.pace(context.Background(), now, 50, func(i, due int64) {
		want(t, "due", due, s.start+i*int64(time.Millisecond))
		if at := now(); at < due {
			t.Errorf("message %d was sent %v early", i, time.Duration(due-at))
		}
		sent = append(sent, i)
	}); err != nil {
		t.Fatal(err)
	}
	want(t, "messages", len(sent), 50)
	ctx, cancel := context.WithCancel(context.Background())
	err := s.pace(ctx, now, 1e9, func(i, _ int64) {
		if i == 5 {
			cancel()
		}
	})
	want(t, "error", err, context.Canceled)
}

func TestShare(t *testing.T) {
	for n := range 20 {
		sum := 0
		for i := range 7 {
			part := share(n, i, 7)
			if part < n/7 || part > n/7+1 {
				t.Errorf("part %d of %d is %d", i, n, part)
			}
			sum += part
		}
		want(t, "sum of the parts", sum, n)
	}
}
