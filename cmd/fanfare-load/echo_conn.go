package main

import (
	"fmt"
	"sync"
	"time"

	"github.com/fanfare-ws/fanfare/wsproto"
)

// echoer is a connection that sends messages and checks their echoes.
type echoer struct {
	run   *echoRun
	id    int           // index in run.echoers
	conn  *wsproto.Conn // nil until it is open
	shard *shard

	mu    sync.Mutex
	due   uint64 // number of messages that it may send
	sent  uint64
	seq   sequence    // of the echoes
	times []int64     // when the messages in flight were due; by number modulo the pipeline
	pause *time.Timer // with -think: sends the next message

	strange int // messages other than echoes before the first echo; guarded by run.doubts
}

func (e *echoer) OnOpen(c *wsproto.Conn, r *wsproto.Request) {
	e.conn, e.shard = c, e.run.load.shards[c.Loop()]
	e.run.load.conns.joined(c, r)
}

func (e *echoer) OnClose(_ *wsproto.Conn, err *wsproto.CloseError) { e.run.load.conns.left(err) }

// OnMessage checks an echo and sends the next messages. It uses the buffer of the echo for their payloads.
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

// allow lets the connection send n more messages, each as soon as the pipeline has room.
func (e *echoer) allow(n uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.due += n
	e.pumpApartLocked(e.run.load.now())
}

// allowAfter is allow after the time d.
func (e *echoer) allowAfter(d time.Duration, n uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.due += n
	e.thinkLocked(d)
}

// thinkLocked sends the next message, if there is one, after the time d.
func (e *echoer) thinkLocked(d time.Duration) {
	switch {
	case e.sent >= e.due || e.seq.next < e.sent:
	case e.pause == nil:
		e.pause = time.AfterFunc(d, func() { e.allow(0) })
	default:
		e.pause.Reset(d)
	}
}

// stop ends the sending.
func (e *echoer) stop() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.due = e.sent
	if e.pause != nil {
		e.pause.Stop()
	}
}

// pumpApartLocked is pumpLocked with a buffer of its own.
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
			return // the connection is closed, and OnClose counts that
		}
		e.times[e.sent%room] = e.run.dueAt(e, now)
		e.sent++
	}
}

func (e *echoer) key(seq uint64) uint64 { return payloadKey(e.run.id, e.id, seq) }

// takeLocked checks and counts a message.
func (e *echoer) takeLocked(now int64, op wsproto.Opcode, p []byte) {
	if e.sent == 0 {
		return // the message is a greeting
	}
	n, known := e.identify(p)
	if !known || op != e.run.op {
		e.wrong(op, p)
		if e.seq.next < e.sent { // otherwise no echo was expected
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
			return fmt.Sprintf("connection %d: echo %d came after echo %d", e.id, n, next-1)
		})
	case duplicated:
		e.run.load.countDuplicate(e.shard, func() string {
			return fmt.Sprintf("connection %d: echo %d came twice", e.id, n)
		})
	}
}

// lookBack is the number of messages before and after the expected one with which identify compares.
const lookBack = 64

// identify returns the number of the message whose payload p is.
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

// difference describes the message that was expected and the one that was received.
func (e *echoer) difference(op wsproto.Opcode, p []byte) string {
	return fmt.Sprintf("connection %d: expected %v message %d with %d bytes, received a %v message with %d bytes: %.32q",
		e.id, opName(e.run.op), e.seq.next, e.run.size, opName(op), len(p), p)
}

func opName(op wsproto.Opcode) string {
	if op == wsproto.Text {
		return "text"
	}
	return "binary"
}
