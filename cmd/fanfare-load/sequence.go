package main

import "slices"

// sequence checks the numbers of one publisher's messages, or of one connection's echoes, as they arrive.
type sequence struct {
	next uint64 // the number that is expected
	gaps []span // numbers below next that have not arrived
}

// span is the range of numbers from first to end, without end.
type span struct{ first, end uint64 }

// verdict is the position of an arrival in a sequence.
type verdict uint8

const (
	inOrder    verdict = iota
	ahead              // numbers before it have not arrived yet
	late               // a later number arrived before it
	duplicated         // it arrived before
)

// maxGaps bounds the gaps of a connection that loses very many messages. The oldest gaps are dropped; their numbers count as
// duplicated if they arrive.
const maxGaps = 1024

// observe adds the arrival of n. skipped is the number of messages before n that have not arrived.
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

// fill removes n from the gaps and reports whether it was in one.
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
