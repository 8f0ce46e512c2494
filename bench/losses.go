package main

import (
	"fmt"
	"strings"
)

// ours is the row that is compared with all others.
const ours = "fanfare"

// peer reports whether a row is another's server: floor is none.
func peer(server string) bool { return !strings.HasPrefix(server, ours) && server != "floor" }

// reasons are what is behind losses, as far as it is known: by profiles, and by what the
// servers' sources do. They must be looked at again when a server changes.
const reasons = `What is behind it, where it is more than chance:

- epoll is one thread that reads, answers and forgets. Where the kernel does little for each
  message, with 16 in flight or 64 under way, what Fanfare does beside that shows: it hands
  connections to workers, so that a handler that blocks hurts nobody, checks UTF-8 and lengths,
  and keeps deadlines. And it remembers less, half as much once settled, where Fanfare has a
  lock, what waits to be sent, deadlines, and a message that is incomplete.
- Churn is the closing handshake, which epoll has not: an answer, the end of our side, and a wait
  for the peer's. The opening one, judged header by header, is a sixth of what a connection costs.
- Of a TLS connection that is opened and closed at once, half is the handshake, crypto/tls in both
  (by profile). Fanfare's goes from a goroutine to a loop after it, and ends there in order: turns
  of a worker, a sixth, and more system calls, 22 % of the time where net/http has 17.
- gws has a goroutine and a buffer for each connection, 13 KB, into which a message of 64 KiB is
  read as it comes; Fanfare, which keeps nothing, begins each such message anew, in two reads.
`

// losses says, a line each, in what another server was ahead of Fanfare: of plain TCP,
// and of TLS.
func (r *report) losses() (lines []string) {
	for i := range r.Measurements {
		m := &r.Measurements[i]
		lines = append(append(lines, m.losses("")...), m.losses(overTLS)...)
	}
	return lines
}

// overTLS is how the names of servers end that are loaded so.
const overTLS = "-tls"

// losses are those of the servers whose names end so, or of the others.
func (m *measurement) losses(suffix string) (lines []string) {
	mine := m.find(ours + suffix)
	if mine == nil || !mine.ranked {
		return nil
	}
	for _, c := range m.kindColumns() {
		var before []string
		for _, other := range m.rankedRows() {
			a, b := other.Figures[c.figure], mine.Figures[c.figure]
			if peer(other.Server) && strings.HasSuffix(other.Server, overTLS) == (suffix != "") && ahead(a, b, c.figure) {
				before = append(before, other.Server+" "+c.text(a)+overlap(a, b))
			}
		}
		if len(before) > 0 {
			lines = append(lines, fmt.Sprintf("%s, %s: %s%s %s; ahead: %s", m.Title, c.head, ours, suffix, c.text(mine.Figures[c.figure]), strings.Join(before, ", ")))
		}
	}
	return lines
}

// kindColumns are the figures that one can be ahead in.
func (m *measurement) kindColumns() []column {
	if m.Kind == memory {
		return []column{{"RSS after an echo", echoed.at(rss), rangeOf(bytesEach)}}
	}
	all := []column{{"server CPU in µs", cpuEach, rangeOf(hundredths)}, {"p99 in ms", p99, rangeOf(millis)}}
	if !m.Paced {
		all = append(all, column{"per second", perSecond, rangeOf(whole)})
	}
	return all
}

func ahead(other, mine spread, f figure) bool {
	if f == perSecond {
		return other.Median > mine.Median
	}
	return other.Median < mine.Median
}

// overlap says so where the order of two says nothing.
func overlap(a, b spread) string {
	if a.Min <= b.Max && b.Min <= a.Max && (a.Min < a.Max || b.Min < b.Max) {
		return " (the rounds overlap)"
	}
	return ""
}

// advantages says how much heavier each peer is, the heaviest last.
func (r *report) advantages() (lines []string) {
	if len(r.weighed()) == 0 {
		return nil
	}
	m := r.largest()
	mine := m.find(ours)
	if mine == nil || !mine.ranked {
		return nil
	}
	by := echoed.at(rss)
	for _, other := range m.rankedRows() {
		if peer(other.Server) {
			lines = append(lines, fmt.Sprintf("%s %.1f x", other.Server, other.Figures[by].Median/mine.Figures[by].Median))
		}
	}
	return lines
}
