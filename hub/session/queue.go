package session

import (
	"sync"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/wire"
)

// request is a request on its way to its reply.
type request struct {
	wire.Request
	step    func(*session, *request) // what comes next; nil: somebody is asked, or it is done
	ordered bool                     // nothing that comes later can overtake it: it is with the program, or done
	done    bool
	counted bool // in Endpoint.waiting: the connection is open, and it could not be answered at once
	result  *wire.Result
	err     *wire.Error
	sub     *hub.Subscription // waits for the reply
}

// weight is about how much memory the request takes, in bytes.
func (a *request) weight() int { return 256 + len(a.Data) + len(a.Topic) + len(a.Key) }

// queue has the requests of a connection that have no reply yet, in their order. It is
// guarded by receiver.replying.
type queue struct {
	all     []*request
	started int // of all: these are under way, or done and behind one that is not
	weight  int
	running bool // a goroutine goes through it, or is about to: see drive
	held    bool // the connection

	id hub.Identity // of a session that opens, and has no member yet
}

var queues = sync.Pool{New: func() any { return new(queue) }}

// maxWeight is how many bytes of requests may wait before a connection is held.
const maxWeight = 256 << 10

// A connection may have so many bytes of requests wait although Options.MaxWaiting is reached,
// if it has no others; and, before it is, no more than so many times what is left of it.
const (
	smallRequest = 1 << 10
	share        = 8
)

// enqueue puts a request into the queue, and does what can be done at once. It is called in
// the connection's turn.
func (s *session) enqueue(a *request) {
	s.replying.Lock()
	if s.queue == nil {
		s.queue = queues.Get().(*queue)
	}
	q := s.queue
	if s.end.crowded(int64(q.weight), int64(a.weight())) {
		s.end.shed.Add(1)
		a.Request = wire.Request{ID: a.ID, Do: a.Do} // the rest is not held
		a.step = (*session).busy
	}
	q.all = append(q.all, a)
	q.weight += a.weight()
	switch {
	case q.running:
	case s.end.workers.most > 0:
		s.runLater()
	default:
		q.running = true
		s.run()
	}
	if q = s.queue; q != nil && len(q.all) > 0 && q.all[len(q.all)-1] == a {
		s.waitLocked(a)
	}
	s.replying.Unlock()
}

// crowded reports whether no more requests may wait of a connection that has some, of so many
// bytes, already. One of any size may wait alone.
func (e *Endpoint) crowded(has, more int64) bool {
	waiting := e.waiting.Load()
	if e.opts.MaxWaiting <= 0 || waiting == 0 || has+more <= smallRequest && has == 0 {
		return false
	}
	free := e.opts.MaxWaiting - waiting
	return more > free || has+more > share*free
}

// waitLocked notes that a request could not be answered at once, or not before others.
func (s *session) waitLocked(a *request) {
	a.counted = true
	s.end.waiting.Add(int64(a.weight()))
	q := s.queue
	full := len(q.all) >= s.end.opts.MaxRequests || q.weight >= maxWeight
	if !q.held && (full || q.weight > 4*smallRequest && s.end.crowded(int64(q.weight), 0)) {
		q.held = true
		s.end.held.Add(1)
		s.conn.Hold()
	}
}

// run goes through the queue: it answers what is done, and has what waits go on.
// Nothing that is the program's is called under the lock, which is held before and after.
// One goroutine does that at a time, and has set queue.running: what is done meanwhile it
// sees.
func (s *session) run() {
	q := s.queue
	for {
		s.answerLocked()
		i, ok := q.next()
		if !ok {
			break
		}
		q.started = i + 1
		a := q.all[i]
		step := a.step
		a.step = nil
		s.replying.Unlock()
		step(s, a)
		s.replying.Lock()
	}
	q.running = false
	s.releaseQueueLocked()
}

// runLater has drive called by another goroutine.
func (s *session) runLater() {
	s.queue.running = true
	s.end.workers.add(s)
}

// next returns the place of the request that can take a step. One begins when all before
// it are answered; but publishes follow each other without waiting, in their order.
func (q *queue) next() (i int, ok bool) {
	i = max(q.started-1, 0)
	if i >= len(q.all) || q.all[i].step != nil {
		return i, i < len(q.all)
	}
	i++
	return i, i < len(q.all) && q.all[i-1].ordered && q.all[i-1].Do == wire.Publish && q.all[i].Do == wire.Publish
}

// answerLocked sends the replies that are due.
func (s *session) answerLocked() {
	q, answered := s.queue, false
	for ; q.started > 0 && q.all[0].done && s.replyLocked(q.all[0]); answered = true {
		a := q.all[0]
		q.all[0] = nil
		q.all = q.all[1:]
		q.started--
		q.weight -= a.weight()
		s.end.uncount(a)
	}
	if q.held && answered && len(q.all) <= s.end.opts.MaxRequests/2 && q.weight <= maxWeight/2 {
		q.held = false
		s.conn.Resume()
	}
}

// uncount takes a request out of those that wait.
func (e *Endpoint) uncount(a *request) {
	if a.counted {
		a.counted = false
		e.waiting.Add(-int64(a.weight()))
	}
}

// uncountLocked takes out all of a connection that has closed: perhaps nobody will answer them.
func (s *session) uncountLocked() {
	if s.queue != nil {
		for _, a := range s.queue.all {
			s.end.uncount(a)
		}
	}
}

// releaseQueueLocked lets go of the queue if it is empty.
func (s *session) releaseQueueLocked() {
	if q := s.queue; len(q.all) == 0 {
		s.queue = nil
		*q = queue{}
		queues.Put(q)
	}
}

// callback returns what the answer to one question of a request is given to, by any
// goroutine. It is taken once: if the program answers twice, the second is not for whatever it
// was asked later.
func (s *session) callback() (answer func(change func())) {
	answered := false
	return func(change func()) {
		s.replying.Lock()
		defer s.replying.Unlock()
		if !answered {
			answered = true
			s.changeLocked(change)
		}
	}
}

// changeLocked changes a request so that its reply or its next step is due. What it does itself
// is to send replies.
func (s *session) changeLocked(change func()) {
	change()
	if s.queue.running {
		return
	}
	s.answerLocked()
	if _, more := s.queue.next(); more {
		s.runLater()
	} else {
		s.releaseQueueLocked()
	}
}

// finish is called by the goroutine that drives: the request has come to this.
func (a *request) finish(result *wire.Result, err error) {
	a.done, a.ordered, a.result = true, true, result
	if err != nil {
		a.err = errorOf(err)
	}
}

// replyDue reports whether a reply is due that says what has become of the topic.
func (q *queue) replyDue(topic string) bool {
	if q == nil || q.started == 0 {
		return false
	}
	last := q.all[q.started-1]
	return last.Do == wire.Subscribe && last.Topic == topic
}
