package main

import (
	"context"
	"sync"
	"time"

	"github.com/fanfare-ws/fanfare/wsproto"
)

// publisher is a connection that sends the messages of a broadcast. It ignores what it receives.
type publisher struct {
	run  *broadcastRun
	id   int
	conn *wsproto.Conn // nil until it is open

	mu     sync.Mutex
	window uint64 // largest number of messages in flight; 0 with a rate
	limit  uint64 // total number of messages to send
	sent   uint64
	first  uint64 // first message of this phase
	base   uint64 // all messages below it are done
	done   []int  // by number modulo the window: shards in which all subscribers have the message
	shards int    // shards with subscribers
	buf    []byte
}

func (p *publisher) OnOpen(c *wsproto.Conn, r *wsproto.Request) {
	p.conn = c
	p.run.load.conns.joined(c, r)
}

func (p *publisher) OnMessage(*wsproto.Conn, wsproto.Opcode, []byte) {}

func (p *publisher) OnClose(_ *wsproto.Conn, err *wsproto.CloseError) { p.run.load.conns.left(err) }

// sendLocked sends the next message.
func (p *publisher) sendLocked(due int64) wsproto.Outcome {
	p.run.wire.encode(p.buf, stamp{seq: p.sent, due: due, publisher: p.id, kind: regular})
	o := p.conn.Send(p.run.op, p.buf)
	if o.OK() {
		p.sent++
	}
	return o
}

// send sends the next message, which was due at due. While the server does not read fast enough, it waits.
func (p *publisher) send(ctx context.Context, due int64) {
	for ctx.Err() == nil {
		p.mu.Lock()
		o := p.sendLocked(due)
		p.mu.Unlock()
		if o != wsproto.Full {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// probe sends probe n.
func (p *publisher) probe(n uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.run.wire.encode(p.buf, stamp{seq: n, publisher: p.id, kind: probe})
	p.conn.Send(p.run.op, p.buf)
}

// begin starts a phase, drops the messages in flight, and returns the number of the next message.
func (p *publisher) begin(window int) (first uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.window, p.done = uint64(window), make([]int, window)
	p.limit, p.first, p.base = p.sent, p.sent, p.sent
	return p.sent
}

// saturate sends up to n more messages, as the window allows.
func (p *publisher) saturate(n uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limit = p.sent + n
	p.advanceLocked()
}

// stop ends the sending. It returns how many messages were sent, and how many of them before this phase.
func (p *publisher) stop() (sent, before uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limit = p.sent
	return p.sent, p.first
}

// shardDone counts a shard in which all subscribers have received message n.
func (p *publisher) shardDone(n uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n < p.base {
		return // the message is of an earlier phase, which gave it up
	}
	p.done[n%p.window]++
	p.advanceLocked()
}

// recount counts the shards that have subscribers.
func (p *publisher) recount() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shards = 0
	for _, s := range p.run.load.shards {
		s.mu.Lock()
		if s.broadcast.readers > 0 {
			p.shards++
		}
		s.mu.Unlock()
	}
	p.advanceLocked()
}

// advanceLocked moves the window over messages that are done and fills it.
func (p *publisher) advanceLocked() {
	if p.window == 0 || p.shards <= 0 {
		return
	}
	for p.base < p.sent && p.done[p.base%p.window] >= p.shards {
		p.done[p.base%p.window] = 0
		p.base++
	}
	for p.sent < p.limit && p.sent-p.base < p.window {
		if !p.sendLocked(p.run.load.now()).OK() {
			return // the connection is closed, and OnClose counts that
		}
	}
}
