package main

import (
	"fmt"
	"sync"
	"time"

	"github.com/fanfare-ws/fanfare/wsproto"
)

// echoer is a connection that sends and expects to get back what it sent.
type echoer struct {
	run   *echoRun
	id    int           // its place in run.echoers
	conn  *wsproto.Conn // nil until it is open
	shard *shard

	mu    sync.Mutex
	due   uint64 // messages that may have been sent by now
	sent  uint64
	seq   sequence    // of what came back
	times []int64     // when those in flight were due; by number modulo the pipeline
	pause *time.Timer // with -think: until the next message

	strange int // messages that were no echoes, while none was right: guarded by run.doubts
}

func (e *echoer) OnOpen(c *wsproto.Conn, r *wsproto.Request) {
	e.conn, e.shard = c, e.run.load.shards[c.Loop()]
	e.run.load.conns.joined(c, r)
}

func (e *echoer) OnClose(_ *wsproto.Conn, err *wsproto.CloseError) { e.run.load.conns.left(err) }

// OnMessage verifies an echo and sends what may follow it, in the buffer of what
// came.
func (e *echoer) OnMessage(_ *wsproto.Conn, op wsproto.Opcode, p []byte) {
	now := e.run.load.now()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.takeLocked(now, op, p)
	if think := e.run.load.opt.think; think > 0 {
		e.thinkLocked(think)
	} else if len(p) == e.run.size {
		e.pumpLocked(now, p)
	} else {
		e.pumpApartLocked(now)
	}
}

// allow has the connection send n messages more, each as soon as the pipeline has
// room.
func (e *echoer) allow(n uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.due += n
	e.pumpApartLocked(e.run.load.now())
}

// allowAfter is allow after some time.
func (e *echoer) allowAfter(d time.Duration, n uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.due += n
	e.thinkLocked(d)
}

// thinkLocked sends the next message, if there is one, after some time.
func (e *echoer) thinkLocked(d time.Duration) {
	switch {
	case e.sent >= e.due || e.seq.next < e.sent:
	case e.pause == nil:
		e.pause = time.AfterFunc(d, func() { e.allow(0) })
	default:
		e.pause.Reset(d)
	}
}

// stop has it send nothing that has not been sent yet.
func (e *echoer) stop() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.due = e.sent
	if e.pause != nil {
		e.pause.Stop()
	}
}

// pumpApartLocked is pumpLocked for those who have no buffer.
func (e *echoer) pumpApartLocked(now int64) {
	b := e.run.buffers.Get().(*[]byte)
	e.pumpLocked(now, *b)
	e.run.buffers.Put(b)
}

func (e *echoer) pumpLocked(now int64, buf []byte) {
	room := uint64(len(e.times))
	for e.sent < e.due && e.sent-e.seq.next < room && !e.run.doubts.over.Load() {
		fill(buf, e.key(e.sent))
		if !e.conn.Send(e.run.op, buf).OK() {
			return // the connection is closed: OnClose says so
		}
		e.times[e.sent%room] = e.run.dueAt(e, now)
		e.sent++
	}
}

func (e *echoer) key(seq uint64) uint64 { return payloadKey(e.run.id, e.id, seq) }

// takeLocked verifies and counts what came.
func (e *echoer) takeLocked(now int64, op wsproto.Opcode, p []byte) {
	if e.sent == 0 {
		return // a greeting
	}
	n, known := e.identify(p)
	if !known || op != e.run.op {
		e.wrong(op, p)
		if e.seq.next < e.sent { // else nothing was expected: it is no answer
			e.seq.next++
			e.shard.mu.Lock()
			e.shard.replacedLocked(now)
			e.shard.mu.Unlock()
		}
		return
	}
	e.run.doubts.prove()
	next := e.seq.next
	switch v, _ := e.seq.observe(n); v {
	case inOrder, ahead:
		e.shard.mu.Lock()
		e.shard.recordLocked(e.times[n%uint64(len(e.times))], now)
		e.shard.mu.Unlock()
	case late:
		e.run.load.countLate(e.shard, func() string {
			return fmt.Sprintf("connection %d: echo %d came after number %d", e.id, n, next-1)
		})
	case duplicated:
		e.run.load.countDuplicate(e.shard, func() string {
			return fmt.Sprintf("connection %d: echo %d came again", e.id, n)
		})
	}
}

// lookBack is with how many messages, before and after the one that is expected,
// another is compared.
const lookBack = 64

// identify finds out which message p is.
func (e *echoer) identify(p []byte) (n uint64, known bool) {
	if len(p) != e.run.size {
		return 0, false
	}
	if next := e.seq.next; next < e.sent && matches(p, e.key(next)) {
		return next, true
	}
	for n = min(e.sent, e.seq.next+lookBack); n > 0 && n+lookBack > e.seq.next; n-- {
		if matches(p, e.key(n-1)) {
			return n - 1, true
		}
	}
	return 0, false
}

func (e *echoer) wrong(op wsproto.Opcode, p []byte) {
	if !e.doubt(op, p) {
		e.run.load.countWrong(e.shard, func() string { return e.difference(op, p) })
	}
}

// difference says what came, and what should have.
func (e *echoer) difference(op wsproto.Opcode, p []byte) string {
	return fmt.Sprintf("connection %d: instead of %v message %d with %d bytes came a %v message with %d bytes: %.32q",
		e.id, opName(e.run.op), e.seq.next, e.run.size, opName(op), len(p), p)
}

func opName(op wsproto.Opcode) string {
	if op == wsproto.Text {
		return "text"
	}
	return "binary"
}
