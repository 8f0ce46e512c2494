package main

import (
	"fmt"
	"strings"
)

// ours is the row that is compared with all others.
const ours = "fanfare"

// peer reports whether a row is another project's server. The floor is not one.
func peer(server string) bool { return !strings.HasPrefix(server, ours) && server != "floor" }

// reasons are the causes of losses as far as they are known, from profiles and from the servers' sources. They must be checked
// again when a server changes.
const reasons = `Known causes, where the difference is more than chance:

- epoll is one thread that reads and answers and keeps almost no state. If the kernel does little
  for each message, with 16 or 64 in flight, Fanfare's additional work shows: it passes
  connections to workers, so that a handler that blocks does not delay others, checks UTF-8 and
  lengths, and keeps deadlines. epoll also holds less per connection, half as much once settled:
  Fanfare has a lock, pending output, deadlines, and the state of an incomplete message.
- Churn includes the closing handshake, which epoll does not do: an answer, the end of the
  server's side, and a wait for the peer's. The opening handshake, with a check of each header
  field, is a sixth of the cost of a connection.
- In a TLS connection that is opened and closed at once, half of the cost is the handshake, with
  crypto/tls on both sides (by profile). After it Fanfare moves the connection from a goroutine to
  a loop, where it has an orderly end: turns of a worker take a sixth of the time, and system
  calls 22 %, compared with 17 % for net/http.
- gws has a goroutine and a buffer of 13 KB per connection, into which it reads a message of
  64 KiB as it arrives. Fanfare keeps no buffer and starts each such message with two reads.
`

// losses returns a line for each figure in which another server was ahead of Fanfare, over plain TCP and over TLS.
func (r *report) losses() (lines []string) {
	for i := range r.Measurements {
		m := &r.Measurements[i]
		lines = append(append(lines, m.losses("")...), m.losses(overTLS)...)
	}
	return lines
}

// overTLS is the suffix of the names of servers with TLS.
const overTLS = "-tls"

// losses returns the lines for the servers with that suffix or, if it is empty, for those without TLS.
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

// kindColumns returns the figures that are compared.
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

// overlap returns a remark if the ranges of two figures overlap, so that their order means nothing.
func overlap(a, b spread) string {
	if a.Min <= b.Max && b.Min <= a.Max && (a.Min < a.Max || b.Min < b.Max) {
		return " (the rounds overlap)"
	}
	return ""
}

// advantages returns the memory of each peer as a multiple of Fanfare's, the largest last.
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
