package main

import "slices"

// sequence follows the numbers of one publisher, or of one connection's echoes,
// as they arrive.
type sequence struct {
	next uint64 // expected
	gaps []span // numbers below next that have not come
}

// span is the numbers from first up to, but not including, end.
type span struct{ first, end uint64 }

// verdict is what a sequence says of an arrival.
type verdict uint8

const (
	inOrder    verdict = iota
	ahead              // some before it are missing, so far
	late               // it was missing until now
	duplicated         // it has been there before
)

// maxGaps bounds what is remembered of a connection that loses very much. The
// oldest gaps are forgotten; what arrives of them counts as duplicated.
const maxGaps = 1024

// observe takes an arrival. skipped is the number of those that it is ahead of.
func (s *sequence) observe(n uint64) (v verdict, skipped uint64) {
	if n == s.next {
		s.next++
		return inOrder, 0
	}
	if n > s.next {
		skipped = n - s.next
		if len(s.gaps) == maxGaps {
			s.gaps = slices.Delete(s.gaps, 0, 1)
		}
		s.gaps = append(s.gaps, span{s.next, n})
		s.next = n + 1
		return ahead, skipped
	}
	if s.fill(n) {
		return late, 0
	}
	return duplicated, 0
}

// fill takes n out of the gaps and reports whether it was in one.
func (s *sequence) fill(n uint64) bool {
	i, found := slices.BinarySearchFunc(s.gaps, n, func(g span, n uint64) int {
		switch {
		case n < g.first:
			return 1
		case n >= g.end:
			return -1
		}
		return 0
	})
	if !found {
		return false
	}
	g := s.gaps[i]
	var rest []span
	if g.first < n {
		rest = append(rest, span{g.first, n})
	}
	if n+1 < g.end {
		rest = append(rest, span{n + 1, g.end})
	}
	s.gaps = slices.Replace(s.gaps, i, i+1, rest...)
	return true
}
