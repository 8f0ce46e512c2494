package wsproto

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"sync"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// streams is the configuration of streamed messages of an endpoint.
type streams struct {
	above   limits // for connections whose handler takes streams
	all     limits // for connections on which nothing is collected
	most    int64  // payload
	timeout time.Duration
	rate    int // Server.MinRate; no bound unless positive
}

func newStreams(frame, above int, most int64, timeout time.Duration, rate int) streams {
	if most = cmp.Or(most, 1<<30); most < 0 {
		most = math.MaxInt64
	}
	if frame == 0 {
		frame = int(min(most, math.MaxInt))
	}
	return streams{limits{frame, above}, limits{frame, -1}, most, cmp.Or(timeout, time.Minute), rate}
}

// limits returns the limits of a connection. all says that nothing is collected.
func (s *streams) limits(all bool) *limits {
	if all {
		return &s.all
	}
	return &s.above
}

// StreamAll sends every message, whatever its size, to OnStream, if the handler is a
// [StreamHandler]. Called in OnOpen it applies from the first message on, later from the next
// read on.
func (c *Conn) StreamAll() { c.flags.Or(flagStreamAll) }

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

// streaming returns the stream of c that began last, or nil if that has ended.
func (c *Conn) streaming() *stream {
	if x := c.extra.Load(); x != nil {
		return x.stream.Load()
	}
	return nil
}

// beginStream returns the stream for a message of which head has come and whose next frame
// has n bytes.
func (c *Conn) beginStream(op Opcode, head []byte, deflated bool, frame int64) *stream {
	s := &stream{c: c, op: op, size: int64(len(head)), rsv1: deflated, head: head, wake: make(chan struct{}, 1),
		pace: newPace(c.endpoint.timeout, c.endpoint.rate)}
	if c.flags.Load()&flagStream == 0 || !s.admit(frame) {
		return nil
	}
	if c.flags.Load()&flagClosed != 0 || c.exceeds(int(s.size)) {
		s.phase = streamDone
		return s
	}
	c.io.CountIn(1)
	c.extras().stream.Store(s)
	s.job = c.io.Engine().GoFor(c.io.Owner(), s.run)
	if s.job.Begun() {
		s.begin()
	}
	if c.flags.Load()&flagClosed != 0 { // Close may not have seen s
		s.end(&CloseError{Code: AbnormalClosure, Err: netpoll.ErrClosed})
	}
	return s
}

// begin prepares s for its payload, once: the turn and the goroutine both call it. It reports
// whether the message is still to be read.
func (s *stream) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase != streamWaits {
		return s.phase == streamRuns
	}
	if s.cut {
		s.phase = streamDone
		return false
	}
	s.phase = streamRuns
	s.ring = newRing(2 * s.c.io.Engine().Options().ReadBuffer)
	s.resumeLocked()
	return true
}

func newRing(size int) []byte {
	if b, ok := rings.Get().(*[]byte); ok && len(*b) == size {
		return *b
	}
	return make([]byte, size)
}

// run is the goroutine of s.
func (s *stream) run() {
	c := s.c
	if !s.begin() {
		s.done()
		return
	}
	returned := false
	defer func() {
		if !returned { // a panic, which the engine logs
			c.fail(InternalError, "the handler failed", netpoll.ErrPanic)
		}
		s.done()
	}()
	err := s.hand()
	returned = true
	if err != nil && !s.isCut() { // else the stream was cut for a reason already
		c.fail(InternalError, "the handler failed", err)
	}
}

// hand calls the handler's OnStream.
func (s *stream) hand() error {
	h := streamer(s.c.handler)
	if !s.rsv1 {
		return h.OnStream(s.c, s.op, s)
	}
	r := newInflateReader(s)
	defer r.free()
	err := h.OnStream(s.c, s.op, r)
	if err == nil {
		err = r.rest()
	}
	return err
}

// done resumes whatever waits for s.
func (s *stream) done() {
	s.mu.Lock()
	s.phase = streamDone
	if s.ring != nil && !s.lent {
		ring := s.ring
		rings.Put(&ring)
	}
	s.head, s.ring, s.n = nil, nil, 0
	s.signal()
	s.c.extra.Load().stream.CompareAndSwap(s, nil)
	s.resumeLocked()
	onClose := s.onClose
	s.mu.Unlock()
	if onClose != nil {
		s.c.handler.OnClose(s.c, onClose)
	}
}

// closed notes that the connection has ended. It reports whether OnClose must wait for
// OnStream; then done calls it.
func (s *stream) closed(err *CloseError) bool {
	s.end(err)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase == streamWaits {
		s.phase = streamDone
		s.job.Cancel()
	}
	if s.phase == streamDone {
		return false
	}
	s.onClose = err
	return true
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

// admit reports whether the message may grow by a frame of n bytes.
func (s *stream) admit(n int64) bool {
	if n > slack(s.c.endpoint.streams.most, s.rsv1)-s.size {
		return false
	}
	s.size += n
	return true
}

// grow admits a frame of n bytes more, which counts against Server.Rate.
func (s *stream) grow(n int64) bool {
	if !s.admit(n) {
		return false
	}
	s.c.exceeds(int(n))
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
