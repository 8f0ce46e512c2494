package wsproto

import "github.com/fanfare-ws/fanfare/netpoll"

// grow admits a frame of n bytes more, which count against Server.Rate.Bytes.
func (s *stream) grow(n int64) bool {
	if !s.admit(n) {
		return false
	}
	s.c.exceedsBytes(int(n))
	return true
}

// StreamAll sends every message, whatever its size, to OnStream, if the handler is a
// [StreamHandler]. Called in OnOpen it applies from the first message on, later from the next
// read on.
func (c *Conn) StreamAll() { c.flags.Or(flagStreamAll) }

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
