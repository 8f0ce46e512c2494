package main

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/fanfare-ws/fanfare/wsproto"
)

// doubts is the state of the check whether a server echoes at all. Before the first echo, other messages are counted here.
// If there are too many, the run is given up: on a topic each message would reach all connections, and each would answer.
type doubts struct {
	proved atomic.Bool // an echo was received
	over   atomic.Bool // the run was given up

	mu      sync.Mutex
	strange int64  // other messages before the first echo
	example string // of strange
	topical bool   // example is the message of another connection
}

// maxStrange is the number of such messages on one connection after which the run is given up.
const maxStrange = 10

// prove notes that an echo was received.
func (d *doubts) prove() {
	if !d.proved.Load() { // further echoes only read the cache line
		d.proved.Store(true)
	}
}

// doubt counts a message other than an echo if there was no echo so far.
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

// end returns an error if the run was given up; the faults say why.
func (d *doubts) end() error {
	if d.over.Load() {
		return errExplained
	}
	return nil
}

// foreign reports whether a message is one of the first messages of another connection.
func (e *echoer) foreign(p []byte) (example string, ok bool) {
	if len(p) != e.run.size {
		return "", false
	}
	for id := range e.run.load.opt.n {
		for seq := range uint64(4) {
			if id != e.id && matches(p, payloadKey(e.run.id, id, seq)) {
				return fmt.Sprintf("connection %d received message %d of connection %d", e.id, seq, id), true
			}
		}
	}
	return "", false
}

// settleDoubts adds the messages before the first echo to the faults.
func (r *echoRun) settleDoubts(m *messagesReport) {
	d := &r.doubts
	d.mu.Lock()
	defer d.mu.Unlock()
	kind, hint := "no echo", "the server sent something else than was sent to it: check that this path echoes"
	switch {
	case d.proved.Load():
		kind, hint = wrongContent, wrongContentHint
	case d.topical:
		hint = "this path sends messages to other connections, as a topic does: use fanfare-load broadcast, or the path of an echo, such as /echo"
	}
	r.load.faults.add(kind, hint, d.strange, func() string { return d.example })
	m.Wrong += d.strange
	d.strange = 0
}
