package fair

import "errors"

// Errors of a Queue and of a Semaphore.
var (
	ErrOwnerLimit = errors.New("too many requests of the same owner are waiting")
	ErrTotalLimit = errors.New("too many requests are waiting")
)

// Queue is a queue of values that takes turns between owners: it returns the oldest value of one
// owner, then the oldest of the next. It is not safe for concurrent use.
type Queue[K comparable, V any] struct {
	perOwner, total int
	size            int
	flows           map[K]*flow[K, V]
	next            *flow[K, V] // the owner whose turn it is, in a ring; nil if the queue is empty
}

// flow has the values of one owner, at least one.
type flow[K comparable, V any] struct {
	owner      K
	values     []V
	prev, next *flow[K, V]
}

// NewQueue returns a queue with a limit for the values of each owner and one in total.
func NewQueue[K comparable, V any](perOwner, total int) *Queue[K, V] {
	return &Queue[K, V]{perOwner: perOwner, total: total, flows: make(map[K]*flow[K, V])}
}

// Len returns the number of values.
func (q *Queue[K, V]) Len() int { return q.size }

// Owners returns the number of owners with values.
func (q *Queue[K, V]) Owners() int { return len(q.flows) }

// Push adds a value. The error is ErrOwnerLimit or ErrTotalLimit. If the queue is full, Push makes
// room by removing the newest value of the owner with the most, provided that the pushing owner then
// has no more than that one. It returns the removed value as shed, with was set to true.
func (q *Queue[K, V]) Push(k K, v V) (shed V, was bool, err error) {
	l := q.flows[k]
	if l != nil && len(l.values) >= q.perOwner {
		return shed, false, ErrOwnerLimit
	}
	if q.size >= q.total {
		heaviest := q.heaviest()
		if heaviest == nil || l == nil && len(heaviest.values) < 2 || l != nil && len(heaviest.values) < len(l.values)+2 {
			return shed, false, ErrTotalLimit
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

// heaviest returns the owner with the most values. It looks at all owners, of which there are at most
// as many as values.
func (q *Queue[K, V]) heaviest() (heaviest *flow[K, V]) {
	for _, l := range q.flows {
		if heaviest == nil || len(l.values) > len(heaviest.values) {
			heaviest = l
		}
	}
	return heaviest
}

// add puts a new owner at the end of the ring.
func (q *Queue[K, V]) add(k K) *flow[K, V] {
	l := &flow[K, V]{owner: k}
	q.flows[k] = l
	if q.next == nil {
		l.prev, l.next, q.next = l, l, l
		return l
	}
	l.prev, l.next = q.next.prev, q.next
	l.prev.next, l.next.prev = l, l
	return l
}

// Pop removes and returns the next value. If may is not nil, it skips owners for which may returns
// false.
func (q *Queue[K, V]) Pop(may func(K) bool) (k K, v V, ok bool) {
	for range len(q.flows) {
		l := q.next
		q.next = l.next
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

// Remove removes the first value of an owner for which is returns true, and reports whether there was
// one.
func (q *Queue[K, V]) Remove(k K, is func(V) bool) bool {
	l := q.flows[k]
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

func (q *Queue[K, V]) remove(l *flow[K, V]) {
	delete(q.flows, l.owner)
	if l.next == l {
		q.next = nil
		return
	}
	l.prev.next, l.next.prev = l.next, l.prev
	if q.next == l {
		q.next = l.next
	}
}
