package main

import (
	"math/rand/v2"
	"testing"
)

// TestSequence compares a sequence with a model that remembers every number.
func TestSequence(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 0))
		var s sequence
		seen, next := map[uint64]bool{}, uint64(0)
		for range 300 {
			n := uint64(max(0, int64(next)+r.Int64N(9)-5))
			wantV, wantSkipped := inOrder, uint64(0)
			switch {
			case seen[n]:
				wantV = duplicated
			case n < next:
				wantV = late
			case n > next:
				wantV, wantSkipped = ahead, n-next
			}
			seen[n], next = true, max(next, n+1)
			if v, skipped := s.observe(n); v != wantV || skipped != wantSkipped {
				t.Fatalf("seed %d: %d is %v, %d; want %v, %d", seed, n, v, skipped, wantV, wantSkipped)
			}
		}
		gone := uint64(0)
		for _, g := range s.gaps {
			gone += g.end - g.first
		}
		want(t, "missing", gone, next-uint64(len(seen)))
	}
}

func TestSequenceForgets(t *testing.T) {
	var s sequence
	for i := range uint64(3 * maxGaps) {
		s.observe(2*i + 1)
	}
	want(t, "gaps", len(s.gaps), maxGaps)
	v, _ := s.observe(0)
	want(t, "of a gap that was forgotten", v, duplicated)
	v, _ = s.observe(6*maxGaps - 2)
	want(t, "of one that was not", v, late)
}
