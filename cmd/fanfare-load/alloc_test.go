package main

import (
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/wsproto"
)

// TestNoAllocations checks that the path of every message does not allocate.
func TestNoAllocations(t *testing.T) {
	l := &load{begin: time.Now(), shards: []*shard{newShard()}, faults: new(faults)}
	r := &broadcastRun{load: l, op: wsproto.Binary, wire: newWire(1, 128, 1, false)}
	s := &subscriber{run: r, shard: l.shards[0], seqs: make([]sequence, 1)}
	p, n := make([]byte, 128), uint64(0)
	if a := testing.AllocsPerRun(1000, func() {
		r.wire.encode(p, stamp{seq: n, kind: regular})
		n++
		s.OnMessage(nil, wsproto.Binary, p)
	}); a != 0 {
		t.Errorf("a delivery allocates %v times", a)
	}
	want(t, "received", l.received(), int64(n))

	er := newEchoRun(&load{opt: &options{size: 128}, begin: time.Now(), shards: l.shards, faults: l.faults})
	e := &echoer{run: er, conn: new(wsproto.Conn), shard: l.shards[0], times: make([]int64, 4), sent: 1 << 40, due: 1 << 41}
	before := l.received()
	n = 0
	if a := testing.AllocsPerRun(1000, func() {
		fill(p, e.key(n))
		n++
		e.OnMessage(nil, wsproto.Binary, p)
	}); a != 0 {
		t.Errorf("an echo allocates %v times", a)
	}
	want(t, "received", l.received()-before, int64(n))
	want(t, "faults", len(l.faults.list()), 0)
}
