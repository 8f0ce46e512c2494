package fair

import "errors"

// Errors of a Queue, and of a Gate.
var (
	ErrOwner = errors.New("too much of the same owner waits already")
	ErrTotal = errors.New("too much waits already")
)

// Queue holds values of owners, and gives them back in turns: the oldest of one owner, then
// the oldest of the next. It is not safe for concurrent use.
type Queue[K comparable, V any] struct {
	perOwner, total int
	size            int
	lines           map[K]*line[K, V]
	next            *line[K, V] // whose turn it is, in a ring; nil if the queue is empty
}

// line is what one owner has in the queue: at least one value.
type line[K comparable, V any] struct {
	owner          K
	values         []V
	before, behind *line[K, V]
}

// NewQueue returns a queue for as many values of each owner, and in total.
func NewQueue[K comparable, V any](perOwner, total int) *Queue[K, V] {
	return &Queue[K, V]{perOwner: perOwner, total: total, lines: make(map[K]*line[K, V])}
}

// Len returns how many values there are.
func (q *Queue[K, V]) Len() int { return q.size }

// Owners returns how many owners have values.
func (q *Queue[K, V]) Owners() int { return len(q.lines) }

// Push adds a value. The error is ErrOwner or ErrTotal. In a full queue the owner with the
// most loses the newest value of theirs, unless it is no more than the one who pushes has:
// then shed is that value, and was is true.
func (q *Queue[K, V]) Push(k K, v V) (shed V, was bool, err error) {
	l := q.lines[k]
	if l != nil && len(l.values) >= q.perOwner {
		return shed, false, ErrOwner
	}
	if q.size >= q.total {
		heaviest := q.heaviest()
		if heaviest == nil || l == nil && len(heaviest.values) < 2 || l != nil && len(heaviest.values) < len(l.values)+2 {
			return shed, false, ErrTotal
		}
		n := len(heaviest.values) - 1
		shed, was = heaviest.values[n], true
		clear(heaviest.values[n:])
		heaviest.values = heaviest.values[:n]
		q.size--
	}
	if l == nil {
		l = q.add(k)
	}
	l.values = append(l.values, v)
	q.size++
	return shed, was, nil
}

// heaviest goes through all owners, of whom a full queue has fewer than values.
func (q *Queue[K, V]) heaviest() (heaviest *line[K, V]) {
	for _, l := range q.lines {
		if heaviest == nil || len(l.values) > len(heaviest.values) {
			heaviest = l
		}
	}
	return heaviest
}

// add gives an owner a place at the end of the ring.
func (q *Queue[K, V]) add(k K) *line[K, V] {
	l := &line[K, V]{owner: k}
	q.lines[k] = l
	if q.next == nil {
		l.before, l.behind, q.next = l, l, l
		return l
	}
	l.before, l.behind = q.next.before, q.next
	l.before.behind, l.behind.before = l, l
	return l
}

// Pop takes the value whose turn it is, of an owner for whom may, if it is not nil, is
// true.
func (q *Queue[K, V]) Pop(may func(K) bool) (k K, v V, ok bool) {
	for range len(q.lines) {
		l := q.next
		q.next = l.behind
		if may != nil && !may(l.owner) {
			continue
		}
		v = l.values[0]
		clear(l.values[:1])
		l.values = l.values[1:]
		q.size--
		if len(l.values) == 0 {
			q.remove(l)
		}
		return l.owner, v, true
	}
	return k, v, false
}

// Remove takes out the first value of an owner for which is is true, and reports whether
// there was one.
func (q *Queue[K, V]) Remove(k K, is func(V) bool) bool {
	l := q.lines[k]
	if l == nil {
		return false
	}
	for i, v := range l.values {
		if !is(v) {
			continue
		}
		copy(l.values[i:], l.values[i+1:])
		n := len(l.values) - 1
		clear(l.values[n:])
		l.values = l.values[:n]
		q.size--
		if n == 0 {
			q.remove(l)
		}
		return true
	}
	return false
}

func (q *Queue[K, V]) remove(l *line[K, V]) {
	delete(q.lines, l.owner)
	if l.behind == l {
		q.next = nil
		return
	}
	l.before.behind, l.behind.before = l.behind, l.before
	if q.next == l {
		q.next = l.behind
	}
}
