package hub

import "time"

// gathering has a large group wait a little before it walks again, if it has only just
// walked: what is published in the meantime goes out in the same writes. A publisher
// that awaits receipts sends its next messages in a burst when a walk has ended; else
// the first of them would be walked alone, and that walk costs as much as one with all.
// A group that has been at rest walks at once.
//
// Only the walk touches it.
type gathering struct {
	timer *time.Timer
	began time.Time // the last walk, or the look at whether it is to wait
	ended time.Time // the last walk
	took  time.Duration
	until time.Time // it waits; zero if it does not
}

const (
	// gatherFrom is Hub.gatherFrom but in tests.
	gatherFrom = 1000
	// gatherShare is the part of a walk's time that the next waits.
	gatherShare = 8
	// gatherMost is the longest time to wait.
	gatherMost = 5 * time.Millisecond
)

// pause reports whether the walk is to wait; t will be scheduled when it no longer is.
func (w *gathering) pause(t Task, now time.Time) bool {
	if !w.until.IsZero() {
		if now.Before(w.until) {
			return true
		}
		w.until = time.Time{}
		return false
	}
	if now.Sub(w.ended) > w.took {
		return false
	}
	d := min(w.took/gatherShare, gatherMost)
	w.until = now.Add(d)
	if w.timer == nil {
		w.timer = time.AfterFunc(d, t.Schedule)
	} else {
		w.timer.Reset(d)
	}
	return true
}

// walked takes note of the end of a walk.
func (w *gathering) walked() {
	w.ended = time.Now()
	w.took = w.ended.Sub(w.began)
}

// pausesLocked reports whether the walk is to wait. A batch that is large already does
// not.
func (g *group) pausesLocked() bool {
	t := g.topic
	if g.members < t.hub.gatherFrom {
		g.gather = nil
		return false
	}
	if g.gather == nil {
		g.gather = new(gathering)
	}
	g.gather.began = time.Now()
	few := g.cursor < t.log.next && t.log.end-g.at < maxBatch/2
	return few && g.gather.pause(g.task, g.gather.began)
}
