package main

import (
	"context"
	"errors"
	"flag"
	"time"

	"github.com/fanfare-ws/fanfare/wsproto"
)

func churnFlags(fs *flag.FlagSet, o *options) {
	fs.DurationVar(&o.duration, "duration", 10*time.Second, "`time` during which to open and close connections")
	fs.Int64Var(&o.count, "count", 0, "number of `connections` to open and close, instead of -duration")
}

// churnAddrs is the number of loopback addresses to connect from. One address would run out of ports, because a port is not
// free again for a while.
const churnAddrs = 16

// churner is a connection that is closed as soon as it is open. Its latency is the time from the first packet until both
// ends are closed.
type churner struct {
	load  *load
	begun int64
	shard *shard
}

func (c *churner) OnOpen(conn *wsproto.Conn, _ *wsproto.Request) {
	f := c.load.conns
	f.opened.Add(1)
	f.streak.Store(0)
	c.shard = c.load.shards[conn.Loop()]
	conn.Close(wsproto.NormalClosure, "")
}

func (c *churner) OnMessage(*wsproto.Conn, wsproto.Opcode, []byte) {}

// OnClose accepts an end without a close frame, because some servers have no closing handshake. A timeout of the closing
// handshake is a fault.
func (c *churner) OnClose(_ *wsproto.Conn, err *wsproto.CloseError) {
	f := c.load.conns
	f.closed.Add(1)
	if err.Err != nil && errors.Is(err.Err, wsproto.ErrCloseTimeout) {
		f.faults.addError(err)
	}
	c.shard.mu.Lock()
	c.shard.recordLocked(c.begun, c.load.now())
	c.shard.mu.Unlock()
	<-f.tokens
}

// runChurn keeps -concurrency connections in progress and opens the next one when one has ended.
func runChurn(l *load, ctx context.Context) error {
	f, o := l.conns, l.opt
	m := l.measure()
	stop := l.progress.clock("opening and closing", o.duration, l.received)
	defer stop()
	until := time.Now().Add(o.duration)
	more := func(begun int64) bool {
		if o.count > 0 {
			return begun < o.count
		}
		return time.Now().Before(until)
	}
	giveUp := int64(max(100, cap(f.tokens)))
	begun, err := int64(0), error(nil)
	for ; more(begun) && f.streak.Load() < giveUp; begun++ {
		if err = f.token(ctx); err != nil {
			break
		}
		c := &churner{load: l, begun: l.now()}
		if err := f.nextClient().Start(l.target, f.source(), c, f.refused); err != nil {
			f.refused(err)
		}
	}
	err = firstError(err, f.await(ctx))
	r := m.end()
	r.Sent, r.Expected = begun, begun
	l.report.Cycles = r
	c := &l.report.Connections
	c.Wanted, c.Opened = int(begun), f.opened.Load()
	c.PerSecond = r.PerSecond
	if c.Opened == 0 {
		return errExplained
	}
	return err
}

func (m *messagesReport) churnTable(t *table) {
	t.row("opened and closed", "%s, %s per second, for %.2f s", comma(m.Received), commaRate(m.PerSecond), m.Seconds)
	m.costs(t, "connection")
}
