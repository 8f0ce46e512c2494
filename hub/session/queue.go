package session

import (
	"sync"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/wire"
)

// asked is a request on its way to its reply.
type asked struct {
	wire.Request
	step    func(*session, *asked) // what comes next; nil: somebody is asked, or it is done
	waits   bool                   // for the program
	passed  bool                   // nothing that comes later can overtake it: it is with the program, or done
	done    bool
	counted bool // in Endpoint.waiting
	result  *wire.Result
	err     *wire.Error
	begun   *hub.Subscription // waits for the reply
}

// weight is about how much memory the request takes, in bytes.
func (a *asked) weight() int { return 256 + len(a.Data) + len(a.Topic) + len(a.Key) }

// queue has the requests of a connection that have no reply yet, in their order. It is
// guarded by receiver.replying.
type queue struct {
	all    []*asked
	begun  int // of all: these are under way, or done and behind one that is not
	weight int
	driven bool // a goroutine goes through it, or is about to: see drive
	held   bool // the connection

	id hub.Identity // of a session that opens, and has no member yet
}

var queues = sync.Pool{New: func() any { return new(queue) }}

// maxWeight is how many bytes of requests may wait before a connection is held.
const maxWeight = 256 << 10

// ask puts a request into the queue, and does what can be done at once. It is called in
// the connection's turn.
func (s *session) ask(a *asked) {
	s.replying.Lock()
	if s.queue == nil {
		s.queue = queues.Get().(*queue)
	}
	q := s.queue
	if len(q.all) > 0 && s.end.crowded() {
		a.step = (*session).busy
	}
	q.all = append(q.all, a)
	q.weight += a.weight()
	switch {
	case q.driven:
	case s.end.crew.most > 0:
		s.driveLater()
	default:
		q.driven = true
		s.drive()
	}
	if q = s.queue; q != nil && !a.done {
		s.waitLocked(a)
	}
	s.replying.Unlock()
}

// waitLocked notes that a request could not be answered at once.
func (s *session) waitLocked(a *asked) {
	a.counted = true
	s.end.waiting.Add(int64(a.weight()))
	if q := s.queue; !q.held && (len(q.all) >= s.end.opts.MaxRequests || q.weight >= maxWeight) {
		q.held = true
		s.end.held.Add(1)
		s.conn.Hold()
	}
}

// drive goes through the queue: it answers what is done, and has what waits go on.
// Nothing that is the program's is called under the lock, which is held before and after.
// One goroutine does that at a time, and has set queue.driven: what is done meanwhile it
// sees.
func (s *session) drive() {
	q := s.queue
	for {
		s.answerLocked()
		i, ok := q.next()
		if !ok {
			break
		}
		q.begun = i + 1
		a := q.all[i]
		step := a.step
		a.step = nil
		s.replying.Unlock()
		step(s, a)
		s.replying.Lock()
	}
	q.driven = false
	s.restLocked()
}

// driveLater has drive called by another goroutine.
func (s *session) driveLater() {
	s.queue.driven = true
	s.end.crew.add(s)
}

// next returns the place of the request that can take a step. One begins when all before
// it are answered; but publishes follow each other without waiting, in their order.
func (q *queue) next() (i int, ok bool) {
	i = max(q.begun-1, 0)
	if i >= len(q.all) || q.all[i].step != nil {
		return i, i < len(q.all)
	}
	i++
	return i, i < len(q.all) && q.all[i-1].passed && q.all[i-1].Do == wire.Publish && q.all[i].Do == wire.Publish
}

// answerLocked sends the replies that are due.
func (s *session) answerLocked() {
	q := s.queue
	for q.begun > 0 && q.all[0].done && s.replyLocked(q.all[0]) {
		a := q.all[0]
		q.all[0] = nil
		q.all = q.all[1:]
		q.begun--
		q.weight -= a.weight()
		if a.counted {
			s.end.waiting.Add(-int64(a.weight()))
		}
	}
	if q.held && len(q.all) <= s.end.opts.MaxRequests/2 && q.weight <= maxWeight/2 {
		q.held = false
		s.conn.Resume()
	}
}

// restLocked lets go of the queue if it is empty.
func (s *session) restLocked() {
	if q := s.queue; len(q.all) == 0 {
		s.queue = nil
		*q = queue{}
		queues.Put(q)
	}
}

// goOn changes a request for which the program was asked, once, so that its reply or its
// next step is due. Any goroutine may call it; what it does itself is to send replies.
func (s *session) goOn(a *asked, change func()) {
	s.replying.Lock()
	defer s.replying.Unlock()
	if !a.waits {
		return // the program has answered twice
	}
	a.waits = false
	change()
	if s.queue.driven {
		return
	}
	s.answerLocked()
	if _, more := s.queue.next(); more {
		s.driveLater()
	} else {
		s.restLocked()
	}
}

// finish is called by the goroutine that drives: the request has come to this.
func (a *asked) finish(result *wire.Result, err error) {
	a.done, a.passed, a.result = true, true, result
	if err != nil {
		a.err = errorOf(err)
	}
}

// subscribing reports whether a reply is due that says what has become of the topic.
func (q *queue) subscribing(topic string) bool {
	if q == nil || q.begun == 0 {
		return false
	}
	last := q.all[q.begun-1]
	return last.Do == wire.Subscribe && last.Topic == topic
}
