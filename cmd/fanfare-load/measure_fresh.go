package main

import (
	"fmt"
	"time"
)

// worked is the CPU time from which a server counts as one that has served connections before. A server that has just
// started has used less; a thousand connections take about this much.
const worked = 50 * time.Millisecond

// checkFresh adds a note if the server is not fresh: it reuses memory of earlier connections, so the memory of these does not
// show.
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
	return fmt.Sprintf("the server has served connections before (%s of CPU time) and reuses their memory, "+
		"so the figures per connection are too low; restart it before you measure", durationText(cpu))
}
