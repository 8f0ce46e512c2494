package session

import (
	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/wire"
)

// recheck is a check of all subscriptions of a member.
type recheck struct {
	topics  []string // that have not been asked for
	asked   string   // the topic that was asked for last; "" after its answer was applied
	refused error
	begun   bool
}

// Reauthorize asks Options.Authorize again for each subscription of a member, after its rights have
// changed, and ends those that are refused, with the code 4403. A temporary error, as of a backend
// that is down, ends none. It returns at once; the checks take their place among the requests of
// the connection, so a subscription that is under way is checked too. The topics are asked for one
// after the other. When a client renews its token, the endpoint does the same by itself. Members of
// other endpoints and protocols are ignored.
func (e *Endpoint) Reauthorize(m *hub.Member) {
	s, ok := m.To().(*session)
	if !ok || s.end != e || !e.authorizes() {
		return
	}
	s.replying.Lock()
	defer s.replying.Unlock()
	if s.gone > 0 || s.queue.rechecks() {
		return
	}
	s.addLocked(&request{step: (*session).beginRecheck, recheck: new(recheck)})
	if !s.queue.running {
		s.runLater()
	}
}

func (e *Endpoint) authorizes() bool { return e.opts.Authorize != nil || e.opts.AuthorizeAsync != nil }

// rechecks reports whether a check of all subscriptions waits to begin.
func (q *queue) rechecks() bool {
	if q == nil {
		return false
	}
	for _, a := range q.all {
		if a.recheck != nil && !a.recheck.begun && !a.done {
			return true
		}
	}
	return false
}

// beginRecheck begins to authorize all subscriptions again. Requests to subscribe come later, or
// have been answered.
func (s *session) beginRecheck(a *request) {
	c := &recheck{begun: true}
	if s.end.authorizes() {
		c.topics = s.member.Topics()
	}
	s.replying.Lock()
	a.recheck = c
	s.replying.Unlock()
	s.recheck(a)
}

// recheck applies the last answer, and asks for the next topics, until an answer is not there at
// once.
func (s *session) recheck(a *request) {
	c := a.recheck
	s.endRefused(c)
	for len(c.topics) > 0 {
		c.asked, c.topics = c.topics[0], c.topics[1:]
		if f := s.end.opts.AuthorizeAsync; f != nil {
			answer := s.callback()
			f(s.member, wire.Subscribe, c.asked, func(err error) {
				answer(func() { c.refused, a.step = err, (*session).recheck })
			})
			return
		}
		c.refused = s.end.opts.Authorize(s.member, wire.Subscribe, c.asked)
		s.endRefused(c)
	}
	a.finish(a.result, nil)
}

// endRefused ends the subscription that was asked for last if it was refused.
func (s *session) endRefused(c *recheck) {
	if c.asked != "" && c.refused != nil {
		if e := ErrorOf(forbidden(c.refused)); !e.Temporary() {
			s.member.End(c.asked, hub.CloseReason{Code: wire.CloseForbidden, Text: e.Message})
		}
	}
	c.asked, c.refused = "", nil
}
