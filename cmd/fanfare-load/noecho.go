package main

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/fanfare-ws/fanfare/wsproto"
)

// doubts are about whether a server echoes at all. Until the first echo is right, what
// comes instead is kept apart; if there is too much of it, the run is given up, since on a
// topic each message would be sent to all, and each of those answered.
type doubts struct {
	proved atomic.Bool // an echo was right
	over   atomic.Bool // the run is given up

	mu      sync.Mutex
	strange int64  // messages that came before that
	example string // of strange
	topical bool   // example is what another connection has sent
}

// maxStrange is after how many such messages on one connection a run is given up.
const maxStrange = 10

// prove notes that an echo was right.
func (d *doubts) prove() {
	if !d.proved.Load() { // so that the cache line is only read from then on
		d.proved.Store(true)
	}
}

// doubt takes a message that is no echo, if none was right so far.
func (e *echoer) doubt(op wsproto.Opcode, p []byte) (taken bool) {
	d := &e.run.doubts
	if d.proved.Load() {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.strange++; d.example == "" {
		d.example, d.topical = e.foreign(p)
		if !d.topical {
			d.example = e.difference(op, p)
		}
	}
	if e.strange++; e.strange >= maxStrange && !d.over.Swap(true) {
		e.run.load.conns.giveUp()
	}
	return true
}

// end ends a run that was given up: the faults say why.
func (d *doubts) end() error {
	if d.over.Load() {
		return errExplained
	}
	return nil
}

// foreign reports whether a message is one of the first of another connection.
func (e *echoer) foreign(p []byte) (example string, ok bool) {
	if len(p) != e.run.size {
		return "", false
	}
	for id := range e.run.load.opt.n {
		for seq := range uint64(4) {
			if id != e.id && matches(p, payloadKey(e.run.id, id, seq)) {
				return fmt.Sprintf("connection %d was sent message %d of connection %d", e.id, seq, id), true
			}
		}
	}
	return "", false
}

// settleDoubts adds to the faults what came before the first right echo.
func (r *echoRun) settleDoubts(m *messagesReport) {
	d := &r.doubts
	d.mu.Lock()
	defer d.mu.Unlock()
	kind, hint := "no echo", "what comes back is not what was sent: is this the path of an echo?"
	switch {
	case d.proved.Load():
		kind, hint = wrongContent, wrongContentHint
	case d.topical:
		hint = "this path passes on to others what one sends, as a topic does: load it with fanfare-load broadcast, or is the echo at another path, as /echo?"
	}
	r.load.faults.add(kind, hint, d.strange, func() string { return d.example })
	m.Wrong += d.strange
	d.strange = 0
}
