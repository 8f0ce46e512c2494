package wsproto

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// stream is a message on its way to OnStream: a pipe from the turns, which write, to the
// goroutine that reads. While it waits for a goroutine it has no ring, and the connection is
// held.
//
// When more than half of the ring is full the connection is held too: the rest of the read
// under way still fits. Only locks of netpoll are taken under mu.
type stream struct {
	c    *Conn
	op   Opcode
	size int64 // declared so far; the turn's
	rsv1 bool  // compressed
	job  *netpoll.Job

	over int // bytes that were discarded; the turn's

	mu      sync.Mutex
	head    []byte // collected before the message was known to be large
	ring    []byte
	first   int // of the bytes in ring
	n       int
	lent    bool // WriteTo is writing a part of ring
	err     error
	cut     bool // err is due before ring is empty
	held    bool // reading is paused
	ahead   bool // held because the next message waits
	phase   streamPhase
	onClose *CloseError   // if set, done calls OnClose with it
	wake    chan struct{} // has a token if something has changed
	timer   *time.Timer
	pace    pace // bounds the waits for more
}

type streamPhase uint8

const (
	streamWaits streamPhase = iota // for a goroutine
	streamRuns
	streamDone // the rest is discarded
)

var rings sync.Pool // of *[]byte

func newRing(size int) []byte {
	if b, ok := rings.Get().(*[]byte); ok && len(*b) == size {
		return *b
	}
	return make([]byte, size)
}

// admit reports whether the message may grow by a frame of n bytes.
func (s *stream) admit(n int64) bool {
	if n > slack(s.c.endpoint.streams.most, s.rsv1)-s.size {
		return false
	}
	s.size += n
	return true
}

// room returns how many of n bytes can be written. If that is less than n the connection is
// held.
func (s *stream) room(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.discards() {
		return n
	}
	if free := len(s.ring) - s.n; free < n {
		s.holdLocked()
		return free
	}
	return n
}

// thrown reports whether the rest of the message is discarded, and how much of it has come.
func (s *stream) thrown() (bytes int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.over, s.discards()
}

// discards reports whether nothing will be read any more.
func (s *stream) discards() bool { return s.phase == streamDone || s.cut }

// write appends p, which must fit.
func (s *stream) write(p []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.discards() {
		s.over += len(p)
		return
	}
	s.pace.credit(len(p))
	at := s.first + s.n
	if at >= len(s.ring) {
		at -= len(s.ring)
	}
	n := copy(s.ring[at:], p)
	copy(s.ring, p[n:])
	s.n += len(p)
	if s.n > len(s.ring)/2 {
		s.holdLocked()
	}
	s.signal()
}

// end ends the message: at its end, or before because the connection ends.
func (s *stream) end(cause *CloseError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		if s.err = io.EOF; cause != nil {
			s.err, s.cut = cutShort(cause), true
		}
	}
	if cause != nil { // the peer's close frame may not have been read
		s.resumeLocked()
	}
	s.signal()
}

func cutShort(cause *CloseError) error {
	return fmt.Errorf("wsproto: the message was cut short: %w: %w", io.ErrUnexpectedEOF, cause)
}

func (s *stream) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// hold holds the connection until OnStream has returned. It reports false if there is no need
// to wait.
func (s *stream) hold() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase == streamDone || s.c.flags.Load()&flagClosed != 0 { // then the peer's close frame is awaited
		return false
	}
	s.ahead = true
	s.holdLocked()
	return true
}

// holdLocked must be called in the turn.
func (s *stream) holdLocked() {
	s.held = true
	s.c.io.Hold()
}

func (s *stream) resumeLocked() {
	if s.held {
		s.held = false
		s.c.io.Resume()
	}
}

func (s *stream) isCut() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cut
}
