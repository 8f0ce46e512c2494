package main

import (
	"fmt"
	"time"
)

// worked is how much processor time a server may have used before it counts as one that
// has worked already. A program that has just begun to listen has used less, and a
// thousand connections take as much.
const worked = 50 * time.Millisecond

// checkFresh says so if the server is not fresh. Memory that it has for earlier
// connections, or kept of them, is used again by these, whose own it then does not show.
func (l *load) checkFresh() {
	if l.opt.command != "idle" {
		return
	}
	if note := notFresh(l.serverCPU()); note != "" {
		l.report.Notes = append(l.report.Notes, note)
		l.progress.note("%s", note)
	}
}

func notFresh(cpu time.Duration) string {
	if cpu < worked {
		return ""
	}
	return fmt.Sprintf("the server has worked before (%s of processor time): it reuses what it kept of earlier connections, "+
		"so the figures for each connection are too low; start it anew, and measure first", durationText(cpu))
}
