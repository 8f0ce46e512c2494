package wsproto

import (
	"bytes"
	"context"
	"sync"
)

// acceptance is a handshake that AcceptAsync decides about. Meanwhile no worker stays with the
// connection, which keeps its header, and reads on only to notice that the peer has gone: at the
// first byte that the peer sends without waiting for the response, it is held. The answer
// schedules a turn. Everything but answer runs in the connection's turns.
type acceptance struct {
	conn    *Conn
	buffers *upgradeBuffers
	cancel  context.CancelCauseFunc // of the Request's context
	charged int

	mu    sync.Mutex
	phase askPhase
	held  bool  // what the peer has sent waits for the answer
	err   error // the answer
}

// askPhase is how far an acceptance has come. It only grows.
type askPhase uint8

const (
	askCalling  askPhase = iota // AcceptAsync has not returned
	askWaiting                  // for the answer
	askAnswered                 // by the program
	askEnded                    // by the peer, the time or a panic: an answer has no effect
)

// ask calls AcceptAsync. If that has answered at once, it returns what the answer is.
func (c *Conn) ask(x *upgradeBuffers) *Refusal {
	a, r, s := &acceptance{conn: c, buffers: x}, &x.request, c.endpoint.server
	_ = r.parse(bytes.Clone(r.head)) // of a worker
	r.ctx, a.cancel = context.WithCancelCause(r.Context())
	x.asking = a
	c.extras().opening = a
	s.AcceptAsync(r, a.answer)
	if a.wait(x.more) {
		return nil
	}
	return s.refusalOf(c.takeAnswer(a))
}

// wait reports whether the answer is yet to come. Then input that has come waits, too.
func (a *acceptance) wait(input bool) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.phase > askWaiting {
		return false
	}
	if a.phase == askCalling {
		a.phase, a.charged = askWaiting, len(a.buffers.request.head)
		a.conn.io.Charge(a.charged)
	}
	if input && !a.held {
		a.held = true
		a.conn.io.Hold()
	}
	return true
}

// answer is what AcceptAsync is given as done.
func (a *acceptance) answer(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	before := a.phase
	if before > askWaiting {
		return
	}
	a.phase, a.err = askAnswered, err
	switch {
	case before == askCalling: // the turn looks when AcceptAsync has returned
	case a.held:
		a.conn.io.Resume()
	default:
		a.conn.io.Again()
	}
}

// end ends the wait for the answer. It reports false if that has come.
func (a *acceptance) end(err error) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.phase == askAnswered {
		return false
	}
	a.endLocked(err)
	return true
}

func (a *acceptance) aborted(_ *Conn, err error) { a.end(err) }

func (a *acceptance) endLocked(err error) {
	a.phase = askEnded
	a.cancel(err)
	a.buffers.release(err)
}

// fail ends an acceptance whose AcceptAsync has panicked, even if it has answered before.
func (a *acceptance) fail(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.endLocked(err)
}

// asked returns what AcceptAsync decides about, or nil.
func (c *Conn) asked() *acceptance {
	if x := c.extra.Load(); x != nil {
		a, _ := x.opening.(*acceptance)
		return a
	}
	return nil
}

// takeAnswer ends the state of waiting, and returns the answer.
func (c *Conn) takeAnswer(a *acceptance) error {
	c.extra.Store(nil) // nothing else is in it yet
	a.buffers.asking = nil
	if a.charged != 0 {
		c.io.Charge(-a.charged)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.err
}

// answered goes on with a handshake once AcceptAsync has answered. data has come after the
// header. It returns how many bytes of that are done with.
func (c *Conn) answered(a *acceptance, data []byte) (used int) {
	if a.wait(len(data) > 0) {
		return 0
	}
	if c.concludeAsked(a) {
		return 0
	}
	return len(data)
}

// concludeAsked opens or refuses the connection, as AcceptAsync has answered.
func (c *Conn) concludeAsked(a *acceptance) (open bool) {
	x := a.buffers
	defer x.end()
	return c.conclude(x, c.endpoint.server.refusalOf(c.takeAnswer(a)), true)
}
