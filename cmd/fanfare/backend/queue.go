package backend

import "container/list"

// queue has the flights that wait, in a line for each owner. It takes turns between owners. All of its methods take
// constant time.
type queue struct {
	lines   map[owner]*line
	turns   list.List    // of *line, the next one first
	weights []*list.List // weights[n] has the lines with n flights
	most    int          // the largest n with such lines
	size    int
}

// line has the flights of one owner, at least one.
type line struct {
	owner   owner
	flights list.List
	turn    *list.Element // in turns
	weight  *list.Element // in weights[n]
	n       int           // the weight it is listed under; 0 if it is not
}

// place is where a flight is in the queue; zero if it is not in it.
type place struct {
	line *line
	at   *list.Element
}

func newQueue() queue { return queue{lines: make(map[owner]*line)} }

func (q *queue) push(f *flight) {
	l := q.lines[f.owner]
	if l == nil {
		l = &line{owner: f.owner}
		q.lines[f.owner] = l
		l.turn = q.turns.PushBack(l)
	}
	f.place = place{l, l.flights.PushBack(f)}
	q.size++
	q.weigh(l)
}

// pop removes and returns the oldest flight of the next owner, or nil.
func (q *queue) pop() *flight {
	next := q.turns.Front()
	if next == nil {
		return nil
	}
	l := next.Value.(*line)
	q.turns.MoveToBack(next)
	f := l.flights.Front().Value.(*flight)
	q.remove(f)
	return f
}

// remove reports whether the flight was in the queue.
func (q *queue) remove(f *flight) bool {
	l := f.place.line
	if l == nil {
		return false
	}
	l.flights.Remove(f.place.at)
	f.place = place{}
	q.size--
	q.weigh(l)
	if l.flights.Len() == 0 {
		q.turns.Remove(l.turn)
		delete(q.lines, l.owner)
	}
	return true
}

// weigh lists the line under the number of its flights.
func (q *queue) weigh(l *line) {
	if l.n > 0 {
		q.weights[l.n].Remove(l.weight)
	}
	l.n = l.flights.Len()
	for len(q.weights) <= l.n {
		q.weights = append(q.weights, list.New())
	}
	if l.n > 0 {
		l.weight = q.weights[l.n].PushBack(l)
	}
	for q.most = max(q.most, l.n); q.most > 0 && q.weights[q.most].Len() == 0; {
		q.most--
	}
}

// heavier returns the newest flight of the owner with most, or nil if the other owner, with one more, would not have
// fewer.
func (q *queue) heavier(than owner) *flight {
	others := 0
	if l := q.lines[than]; l != nil {
		others = l.n
	}
	if q.most < others+2 {
		return nil
	}
	l := q.weights[q.most].Front().Value.(*line)
	return l.flights.Back().Value.(*flight)
}
