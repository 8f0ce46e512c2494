package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fanfare-ws/fanfare/netpoll"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// straggler reads the messages that a stalled subscriber did not read, to find out how the server treated it. It counts
// frames without decoding them.
type straggler struct {
	io      netpoll.Conn
	verdict *verdicts
	skip    uint64 // bytes of a payload that have not arrived
	probes  uint64 // number of probes, which come before the messages of the run
	fate    string // "" until it is known
}

// verdicts are the fates of all stragglers.
type verdicts struct {
	messages atomic.Int64
	bytes    atomic.Int64
	mu       sync.Mutex
	fates    map[string]int64
	open     int
}

const stillConnected = "still connected"

// examine passes the stalled sockets to the engine and reads until all have ended or nothing more arrives.
func (r *broadcastRun) examine(ctx context.Context) error {
	l := r.load
	v := &verdicts{fates: make(map[string]int64), open: len(r.stalled)}
	stop := l.progress.during("reading the messages of stalled subscribers", int64(len(r.stalled)), v.ended)
	defer stop()
	for _, s := range r.stalled {
		if err := l.conns.engine.Adopt(s.conn, s.unread, &straggler{verdict: v, probes: r.probes}); err != nil {
			return fmt.Errorf("stalled subscriber: %w", err)
		}
	}
	last, at := int64(0), time.Now()
	err := waitFor(ctx, 5*time.Millisecond, func() bool {
		if n := v.bytes.Load(); n != last {
			last, at = n, time.Now()
		}
		return v.ended() == int64(len(r.stalled)) || time.Since(at) > l.opt.drain
	})
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.open > 0 {
		v.fates[stillConnected] += int64(v.open)
	}
	l.report.Stalled = &stalledReport{
		Subscribers: len(r.stalled),
		Fates:       v.fates,
		Messages:    v.messages.Load(),
		Expected:    l.report.sent() * int64(len(r.stalled)),
	}
	v.fates = make(map[string]int64) // later ends are caused by this program
	return err
}

func (v *verdicts) ended() int64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := int64(0)
	for _, k := range v.fates {
		n += k
	}
	return n
}

func (s *straggler) Conn() *netpoll.Conn { return &s.io }
func (s *straggler) OnOpen()             {}
func (s *straggler) OnDeadline()         {}
func (s *straggler) OnPanic(any)         {}

// OnData skips over frames.
func (s *straggler) OnData(data []byte) (used int) {
	s.verdict.bytes.Add(int64(len(data)))
	for {
		n := int(min(s.skip, uint64(len(data)-used)))
		used, s.skip = used+n, s.skip-uint64(n)
		h, size := frameHeader(data[used:])
		if size == 0 || s.skip > 0 || h.close && len(data)-used < size+int(h.length) {
			return used
		}
		used += size
		s.skip = h.length
		switch {
		case h.close:
			s.ends(closeFate(data[used : used+int(h.length)]))
			return len(data)
		case h.message && s.probes > 0:
			s.probes--
		case h.message:
			s.verdict.messages.Add(1)
		}
	}
}

// frame is the part of a frame's header that counts here.
type frame struct {
	message bool // the last frame of a message
	close   bool
	length  uint64
}

// frameHeader parses a header and returns its size: 0 if it is incomplete.
func frameHeader(p []byte) (f frame, size int) {
	if len(p) < 2 {
		return f, 0
	}
	op := p[0] & 0xf
	f.message, f.close = p[0]&0x80 != 0 && op < 8, op == 8
	f.length, size = uint64(p[1]&0x7f), 2
	switch {
	case f.length == 126 && len(p) >= 4:
		return frame{f.message, f.close, uint64(binary.BigEndian.Uint16(p[2:]))}, 4
	case f.length == 127 && len(p) >= 10:
		return frame{f.message, f.close, binary.BigEndian.Uint64(p[2:])}, 10
	case f.length >= 126:
		return f, 0
	}
	return f, size
}

func closeFate(body []byte) string {
	if len(body) < 2 {
		return "disconnected without a code"
	}
	return fmt.Sprintf("disconnected with %d", wsproto.Code(binary.BigEndian.Uint16(body)))
}

// ends counts the fate of the connection, once.
func (s *straggler) ends(fate string) {
	if s.fate != "" {
		return
	}
	s.fate = fate
	s.verdict.mu.Lock()
	defer s.verdict.mu.Unlock()
	s.verdict.open--
	s.verdict.fates[fate]++
}

func (s *straggler) OnClose(err error) {
	switch {
	case errors.Is(err, io.EOF):
		s.ends("disconnected without a close frame")
	case errors.Is(err, unix.ECONNRESET), errors.Is(err, unix.EPIPE):
		s.ends("reset")
	default:
		s.ends("ended: " + err.Error())
	}
}
