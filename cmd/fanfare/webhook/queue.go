package webhook

import (
	"slices"
	"strconv"
	"time"
)

// item is an event in the queue of an endpoint. Endpoints share its body.
type item struct {
	body     []byte
	sequence uint64
	queued   time.Time
}

// weight is the memory for an item, in bytes.
func (i *item) weight() int { return len(i.body) + 80 }

// queue has the events that wait for an endpoint, and counts those that are under way.
type queue struct {
	items    []item // from first on
	first    int
	bytes    int    // of the items, and of those under way
	underWay *batch // nil if there is none
}

func (q *queue) waiting() []item { return q.items[q.first:] }

// len returns the number of events, those under way included.
func (q *queue) len() int {
	n := len(q.waiting())
	if q.underWay != nil {
		n += len(q.underWay.items)
	}
	return n
}

// add adds an item, and returns how many were dropped for that: the oldest ones that wait, or the new one if there is none.
func (q *queue) add(one item, most, mostBytes int) (dropped int) {
	for q.len() >= most || q.bytes+one.weight() > mostBytes {
		dropped++
		if len(q.waiting()) == 0 {
			return dropped
		}
		q.bytes -= q.items[q.first].weight()
		q.skip(1)
	}
	q.items = append(q.items, one)
	q.bytes += one.weight()
	return dropped
}

// skip removes the first n items.
func (q *queue) skip(n int) {
	clear(q.items[q.first : q.first+n])
	if q.first += n; q.first == len(q.items) {
		q.items, q.first = nil, 0
	} else if q.first > 64 && q.first > len(q.items)/2 {
		q.items = slices.Clone(q.items[q.first:])
		q.first = 0
	}
}

// full reports whether a whole batch waits.
func (q *queue) full(most int) bool {
	return len(q.waiting()) >= most || q.underWay == nil && q.bytes >= maxBatchBytes
}

// ready returns how long the items that wait should do so for others to join their batch; some is false if there are none.
func (q *queue) ready(now time.Time, o *inForce, hurry bool) (wait time.Duration, some bool) {
	all := q.waiting()
	if len(all) == 0 {
		return 0, false
	}
	if hurry || q.full(o.MaxBatch) {
		return 0, true
	}
	return max(0, o.BatchDelay-now.Sub(all[0].queued)), true
}

// batch is the items of a request.
type batch struct{ items []item }

// maxBatchBytes is about how large the body of a request may become. A single event may be larger.
const maxBatchBytes = 512 << 10

// take returns the next batch, which is under way until done is called.
func (q *queue) take(most int) *batch {
	all, n, bytes := q.waiting(), 0, 0
	for n < min(len(all), most) {
		if bytes += len(all[n].body); bytes > maxBatchBytes && n > 0 {
			break
		}
		n++
	}
	q.underWay = &batch{slices.Clone(all[:n])}
	q.skip(n)
	return q.underWay
}

// done forgets the batch under way.
func (q *queue) done() {
	for i := range q.underWay.items {
		q.bytes -= q.underWay.items[i].weight()
	}
	q.underWay = nil
}

// oldest returns the event that is in the queue for longest; nil if it is empty.
func (q *queue) oldest() *item {
	switch all := q.waiting(); {
	case q.underWay != nil:
		return &q.underWay.items[0]
	case len(all) > 0:
		return &all[0]
	}
	return nil
}

// clear empties the queue, and returns how many items it had.
func (q *queue) clear() int {
	n := q.len()
	*q = queue{}
	return n
}

// id returns the name of the batch.
func (b *batch) id(run string) string {
	first, last := b.items[0].sequence, b.items[len(b.items)-1].sequence
	return run + "-" + strconv.FormatUint(first, 10) + "-" + strconv.FormatUint(last, 10)
}

// body returns the body of the request.
func (b *batch) body(run string) []byte {
	n := 40 + len(run)
	for _, one := range b.items {
		n += len(one.body) + 1
	}
	text := append(make([]byte, 0, n), `{"run":"`+run+`","events":[`...)
	for i, one := range b.items {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(text, one.body...)
	}
	return append(text, "]}"...)
}
