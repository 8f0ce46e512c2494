package session

import (
	"sync"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/wire"
)

// request is a request on its way to its reply.
type request struct {
	wire.Request
	step    func(*session, *request) // the next step; nil while the answer to a hook or the broker is awaited, and when the request is done
	ordered bool                     // later requests cannot overtake it: the program or the broker has it, or it is done
	done    bool
	counted bool // in Endpoint.waiting: the connection is open, and the request could not be answered at once
	result  *wire.Result
	err     *wire.Error
	sub     *hub.Subscription // paused until the reply is written
	id      *hub.Identity     // of its token
	recheck *recheck
}

// weight returns about how much memory the request takes, in bytes.
func (a *request) weight() int {
	return 256 + len(a.Data) + len(a.Topic) + len(a.Key) + len(a.Token) + len(a.IdempotencyKey)
}

// queue holds the requests of a connection that have no reply yet, in order. It is guarded by
// receiver.replying.
type queue struct {
	all     []*request
	started int // the first ones in all, which are under way, or done and behind one that is not
	weight  int
	running bool // a goroutine runs the queue, or is about to: see run
	held    bool // the connection is held

	opening *opening // of a session that has not sent its hello
}

var queues = sync.Pool{New: func() any { return new(queue) }}

// maxWeight bounds the waiting requests of a connection, in bytes; beyond it the connection is
// held.
const maxWeight = 256 << 10

// A connection without other waiting requests may have smallRequest bytes of them wait even if
// Options.MaxWaiting is reached. Until then a connection may have share times what is left.
const (
	smallRequest = 1 << 10
	share        = 8
)

// enqueue adds a request to the queue, and does what can be done at once. It is called in the
// connection's turn.
func (s *session) enqueue(a *request) {
	s.replying.Lock()
	if !s.admitLocked(a) {
		s.replying.Unlock()
		return
	}
	s.addLocked(a)
	q := s.queue
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
	s.replying.Unlock() // not deferred: a hook that panics in run does so without the lock
}

// admitLocked reports whether a request may be added to the queue. If there is no room, what is
// added has only the error.
func (s *session) admitLocked(a *request) bool {
	if o := s.openingLocked(); o != nil {
		return s.enqueueFirstLocked(o, a)
	}
	weight := 0
	if s.queue != nil {
		weight = s.queue.weight
	}
	if s.end.crowded(int64(weight), int64(a.weight())) {
		s.end.shed.Add(1)
		a.Request = wire.Request{ID: a.ID, Do: a.Do} // the rest is not held
		a.step = (*session).busy
	}
	return true
}

// addLocked adds a request to the queue.
func (s *session) addLocked(a *request) {
	if s.queue == nil {
		s.queue = queues.Get().(*queue)
	}
	s.queue.all = append(s.queue.all, a)
	s.queue.weight += a.weight()
}

// crowded reports whether a connection whose waiting requests have the given size may not add
// more bytes. A request of any size may wait if it is the only one.
func (e *Endpoint) crowded(has, more int64) bool {
	waiting := e.waiting.Load()
	if e.opts.MaxWaiting <= 0 || waiting == 0 || has+more <= smallRequest && has == 0 {
		return false
	}
	free := e.opts.MaxWaiting - waiting
	return more > free || has+more > share*free
}

// waitLocked counts a request that could not be answered at once, or not before others.
func (s *session) waitLocked(a *request) {
	a.counted = true
	s.end.waiting.Add(int64(a.weight()))
	q := s.queue
	full := len(q.all) >= s.end.opts.MaxRequests || q.weight >= maxWeight
	if !q.held && (full || q.weight > 4*smallRequest && s.end.crowded(int64(q.weight), 0)) {
		q.held = true
		s.end.held.Add(1)
		s.WebSocket().Hold()
	}
}

// run processes the queue: it sends the replies that are due, and takes the next steps. The
// caller holds replying and has set queue.running, so one goroutine at a time does this; it sees
// what other goroutines finish meanwhile. replying is released during each step, so nothing of
// the program is called under it.
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

// runLater has another goroutine call run.
func (s *session) runLater() {
	s.queue.running = true
	s.end.workers.add(s)
}

// next returns the index of the request that can take a step. A request starts when all before
// it have been answered; but publishes follow each other without waiting, in order.
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
		s.WebSocket().Resume()
	}
}

// uncount takes a request out of the waiting ones.
func (e *Endpoint) uncount(a *request) {
	if a.counted {
		a.counted = false
		e.waiting.Add(-int64(a.weight()))
	}
}

// uncountLocked takes out all requests of a connection that has closed, since they may never be
// answered.
func (s *session) uncountLocked() {
	if s.queue != nil {
		for _, a := range s.queue.all {
			s.end.uncount(a)
		}
	}
}

// releaseQueueLocked releases the queue if it is empty.
func (s *session) releaseQueueLocked() {
	if q := s.queue; len(q.all) == 0 && q.opening == nil {
		s.queue = nil
		*q = queue{}
		queues.Put(q)
	}
}

// callback returns a function that takes the answer to one hook or publish, from any goroutine.
// Only the first call counts: a second answer of the program must not be taken for the answer to
// a later call.
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

// changeLocked changes a request so that its reply or its next step is due. It sends replies,
// and leaves steps to another goroutine.
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

// finish sets the result of the request, or its error.
func (a *request) finish(result *wire.Result, err error) {
	a.done, a.ordered, a.result = true, true, result
	if err != nil {
		a.err = ErrorOf(err)
	}
}

// replyDue reports whether a reply to a subscribe request for the topic is due.
func (q *queue) replyDue(topic string) bool {
	if q == nil || q.started == 0 {
		return false
	}
	last := q.all[q.started-1]
	return last.Do == wire.Subscribe && last.Topic == topic
}
