package wsproto

import (
	"fmt"
	"io"
	"os"
	"time"
)

// interrupted returns why nothing more can be read, or nil at the end of the message.
func (s *stream) interrupted() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.phase == streamDone:
		return errStreamOver
	case s.cut:
		return s.err
	}
	return nil
}

// Read implements io.Reader.
func (s *stream) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	next, err := s.nextLocked()
	n := copy(p, next)
	s.tookLocked(n)
	return n, err
}

// WriteTo implements io.WriterTo.
func (s *stream) WriteTo(w io.Writer) (total int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		next, err := s.nextLocked()
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
		n, err := s.lendLocked(w, next)
		total += int64(n)
		if err != nil {
			return total, err
		}
	}
}

// lendLocked has w write p, without the lock: the bytes in the ring do not move meanwhile.
func (s *stream) lendLocked(w io.Writer, p []byte) (n int, err error) {
	s.lent = true
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.lent = false
		if s.phase == streamRuns {
			s.tookLocked(n)
		}
	}()
	n, err = w.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	return min(n, len(p)), err
}

// nextLocked waits for bytes and returns those that are contiguous.
func (s *stream) nextLocked() ([]byte, error) {
	for {
		switch {
		case s.phase == streamDone:
			return nil, errStreamOver
		case s.cut:
			return nil, s.err
		case len(s.head) > 0:
			return s.head, nil
		case s.n > 0:
			return s.ring[s.first:min(s.first+s.n, len(s.ring))], nil
		case s.err != nil:
			return nil, s.err
		}
		s.waitLocked()
	}
}

var errStreamOver = fmt.Errorf("wsproto: a stream was read after OnStream had returned: %w", os.ErrClosed)

// tookLocked removes n bytes, and resumes the connection when there is room.
func (s *stream) tookLocked(n int) {
	if len(s.head) > 0 {
		if s.head = s.head[n:]; len(s.head) == 0 {
			s.head = nil
		}
		return
	}
	s.n -= n
	if s.first += n; s.first >= len(s.ring) {
		s.first = 0
	}
	if s.n <= len(s.ring)/2 && !s.ahead { // else the next message waits for OnStream
		s.resumeLocked()
	}
}

// waitLocked waits, without the lock, until something changes.
func (s *stream) waitLocked() {
	if s.timer == nil {
		s.timer = time.NewTimer(s.pace.left)
	} else {
		s.timer.Reset(s.pace.left)
	}
	late, begin := false, time.Now()
	s.mu.Unlock()
	select {
	case <-s.wake:
	case <-s.timer.C:
		late = true
	}
	s.timer.Stop()
	if late && !s.hasNews() {
		s.c.fail(PolicyViolation, "the message came too slowly",
			fmt.Errorf("wsproto: the next bytes of a message came too late: %w", os.ErrDeadlineExceeded))
	}
	s.mu.Lock()
	s.pace.left -= time.Since(begin)
}

func (s *stream) hasNews() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.n > 0 || s.err != nil || s.phase == streamDone
}
