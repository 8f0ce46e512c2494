package wsproto

import (
	"bytes"
	"cmp"
	"context"
	"net"
	"net/http"
	"sync"
	"unsafe"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// upgradeBuffers is what a connection needs during its handshake only.
type upgradeBuffers struct {
	core    [][]byte    // what ws.Upgrader reads: slices of the header
	in      net.Buffers // the rest of core
	out     bytes.Buffer
	header  http.Header // Request.ResponseHeader, so that it is never nil
	request Request
	source  source // of request

	hijacked *hijackedRequest // what came with a hijacked connection, or nil
	asking   *acceptance      // the question to AcceptAsync, while it has no answer
	more     bool             // input has come behind the header
	counted  bool             // as under way
}

func (x *upgradeBuffers) Read(p []byte) (int, error) { return x.in.Read(p) }

func (x *upgradeBuffers) Write(p []byte) (int, error) { return x.out.Write(p) }

var upgradeBufferPool = sync.Pool{New: func() any { return &upgradeBuffers{header: make(http.Header)} }}

func newUpgradeBuffers(c *Conn) *upgradeBuffers {
	x := upgradeBufferPool.Get().(*upgradeBuffers)
	x.request.conn, x.request.server = c, c.endpoint.server
	x.request.ResponseHeader = x.header
	if x.hijacked = c.takeHijacked(); x.hijacked != nil {
		x.hijacked.apply(&x.request)
		x.hijacked.err = netpoll.ErrPanic // unless the handshake comes to an end
	}
	return x
}

// end ends the handshake, unless AcceptAsync has yet to answer.
func (x *upgradeBuffers) end() {
	if x.asks() {
		return
	}
	x.release(nil)
	x.out.Reset()
	clear(x.header)
	clear(x.request.Header.fields) // they point into the buffer of a worker, like core
	clear(x.core[:cap(x.core)])
	x.in = nil
	x.request, x.more = Request{Header: Header{x.request.Header.fields[:0]}}, false
	if cap(x.request.Header.fields) <= pooledFields {
		upgradeBufferPool.Put(x)
	}
}

// pooledFields is how many fields an ordinary handshake has at most. Room for more is not kept for the next one.
const pooledFields = 64

// weight returns the bytes that the handshake holds while it waits for AcceptAsync.
func (x *upgradeBuffers) weight() int {
	r := &x.request
	return len(r.head) + len(r.URI) + cap(x.core)*int(unsafe.Sizeof(x.core[0])) + cap(r.Header.fields)*int(unsafe.Sizeof(field{}))
}

// release stops counting the handshake. It lets Upgrade return, if that waits: with err, unless
// that is nil.
func (x *upgradeBuffers) release(err error) {
	if x.counted {
		x.request.server.gate.leave()
		x.counted = false
	}
	if x.hijacked != nil {
		x.hijacked.err = cmp.Or(err, x.hijacked.err)
		close(x.hijacked.done) // after OnOpen
		x.hijacked = nil
	}
}

func (x *upgradeBuffers) asks() bool { return x.asking != nil }

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

// wait reports whether the answer is yet to come. Then input that has come waits, too.
func (a *acceptance) wait(input bool) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.phase > askWaiting {
		return false
	}
	if a.phase == askCalling {
		a.phase, a.charged = askWaiting, a.buffers.weight()
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
