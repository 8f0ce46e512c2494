package main

import (
	"fmt"

	"github.com/fanfare-ws/fanfare/wsproto"
)

// subscriber is a connection that checks the messages that it receives.
type subscriber struct {
	run   *broadcastRun
	id    int
	shard *shard // nil until it is open
	now   int64  // when the current read began; 0 between reads

	// Guarded by the shard's lock.
	seqs  []sequence // one for each publisher
	probe uint64     // the latest one received
}

func (s *subscriber) OnOpen(c *wsproto.Conn, r *wsproto.Request) {
	s.shard = s.run.load.shards[c.Loop()]
	s.shard.mu.Lock()
	s.shard.broadcast.readers++
	s.shard.mu.Unlock()
	s.run.load.conns.joined(c, r)
}

func (s *subscriber) OnClose(_ *wsproto.Conn, err *wsproto.CloseError) {
	var done []finished
	s.shard.mu.Lock()
	s.shard.broadcast.leave(s.seqs, func(p int, n uint64) { done = append(done, finished{p, n}) })
	empty := s.shard.broadcast.readers == 0
	s.shard.mu.Unlock()
	for _, f := range done {
		s.run.publishers[f.publisher].shardDone(f.n)
	}
	if empty {
		for _, p := range s.run.publishers {
			p.recount()
		}
	}
	s.run.load.conns.left(err)
}

// finished is a message that all subscribers of a shard have received.
type finished struct {
	publisher int
	n         uint64
}

func (s *subscriber) OnMessage(_ *wsproto.Conn, op wsproto.Opcode, p []byte) {
	if s.now == 0 { // reading the clock for every message would take a tenth of its cost
		s.now = s.run.load.now()
	}
	if !s.run.wrapped {
		s.took(op, p)
		return
	}
	for payload := range s.run.wire.within(p) {
		s.took(s.run.op, payload)
	}
}

// OnReadEnd makes subscriber a wsproto.ReadHandler.
func (s *subscriber) OnReadEnd(*wsproto.Conn) { s.now = 0 }

// took handles a payload.
func (s *subscriber) took(op wsproto.Opcode, p []byte) {
	m, ok := s.run.wire.decode(p)
	switch {
	case !ok || op != s.run.op:
		s.stranger(op, p)
	case m.kind == probe:
		s.sawProbe(m.seq)
	default:
		s.take(m)
	}
}

// take counts a message of this run.
func (s *subscriber) take(m stamp) {
	var few [8]uint64
	done := few[:0]
	sh, q := s.shard, &s.seqs[m.publisher]
	sh.mu.Lock()
	next := q.next
	v, _ := q.observe(m.seq)
	if sh.broadcast.isOld(m.publisher, m.seq) {
		sh.mu.Unlock()
		return // the earlier phase counted it as missing
	}
	if v <= ahead {
		sh.recordLocked(m.due, s.now)
		if sh.broadcast.windowed() {
			done = s.creditLocked(done, m.publisher, next, m.seq)
		}
	}
	sh.mu.Unlock()
	for _, n := range done {
		s.run.publishers[m.publisher].shardDone(n)
	}
	switch v {
	case late:
		s.run.load.countLate(sh, func() string {
			return fmt.Sprintf("subscriber %d: message %d of publisher %d came after message %d", s.id, m.seq, m.publisher, next-1)
		})
	case duplicated:
		s.run.load.countDuplicate(sh, func() string {
			return fmt.Sprintf("subscriber %d: message %d of publisher %d came twice", s.id, m.seq, m.publisher)
		})
	}
}

// creditLocked credits the messages from first to last. Only the last one was received; the run does not wait for the others
// any more.
func (s *subscriber) creditLocked(done []uint64, publisher int, first, last uint64) []uint64 {
	b := &s.shard.broadcast
	// Older messages are not in flight.
	first = max(first, b.first[publisher], last+1-min(last+1, uint64(len(b.rings[publisher]))))
	for n := first; n <= last; n++ {
		if s.shard.broadcast.credit(publisher, n) {
			done = append(done, n)
		}
	}
	return done
}

func (s *subscriber) sawProbe(n uint64) {
	s.shard.mu.Lock()
	defer s.shard.mu.Unlock()
	if n > s.probe {
		s.probe = n
		s.shard.broadcast.sawProbe(n)
	}
}

// stranger handles a message that is not of this run. Before the run begins it may be a greeting or another client's message.
func (s *subscriber) stranger(op wsproto.Opcode, p []byte) {
	if !s.run.begun.Load() {
		return
	}
	s.run.load.countWrong(s.shard, func() string {
		return fmt.Sprintf("subscriber %d: expected %s messages of this run with %d bytes, received a %s message with %d bytes: %.32q",
			s.id, opName(s.run.op), s.run.wire.size(), opName(op), len(p), p)
	})
}
