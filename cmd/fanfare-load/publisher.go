package main

import (
	"context"
	"sync"
	"time"

	"github.com/fanfare-ws/fanfare/wsproto"
)

// publisher is a connection that sends what is broadcast. What it is sent itself
// does not interest it.
type publisher struct {
	run    *castRun
	id     int
	conn   *wsproto.Conn // nil until it is open
	window uint64        // messages under way, at most; 0 if it is paced

	mu     sync.Mutex
	limit  uint64 // messages to send in all
	sent   uint64
	base   uint64 // all below it are done
	done   []int  // by number modulo the window: shards of which all have it
	shards int    // that have subscribers
	buf    []byte
}

func (p *publisher) OnOpen(c *wsproto.Conn, r *wsproto.Request) {
	p.conn = c
	p.run.load.fleet.joined(c, r)
}

func (p *publisher) OnMessage(*wsproto.Conn, wsproto.Opcode, []byte) {}

func (p *publisher) OnClose(_ *wsproto.Conn, err *wsproto.CloseError) { p.run.load.fleet.left(err) }

// sendLocked sends the next message.
func (p *publisher) sendLocked(due int64) wsproto.Outcome {
	p.run.wire.encode(p.buf, stamp{seq: p.sent, due: due, publisher: p.id, kind: regular})
	o := p.conn.Send(p.run.op, p.buf)
	if o.OK() {
		p.sent++
	}
	return o
}

// send sends the next message, which was due at due. If the server does not take
// what was sent before it waits.
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

// saturate sends up to limit messages, as the window allows.
func (p *publisher) saturate(limit uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limit = limit
	p.advanceLocked()
}

// stop has it send nothing more and returns how many it has sent.
func (p *publisher) stop() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limit = p.sent
	return int64(p.sent)
}

// shardDone is told that all subscribers of a shard have message n.
func (p *publisher) shardDone(n uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done[n%p.window]++
	p.advanceLocked()
}

// recount finds out which shards have subscribers to wait for.
func (p *publisher) recount() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shards = 0
	for _, s := range p.run.load.shards {
		s.mu.Lock()
		if s.cast.readers > 0 {
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
			return // closed: OnClose says so
		}
	}
}
