//go:build linux

package netpoll

import "time"

// nextLocked returns the address that gets the next place: of the first that wait, the one with
// the fewest places.
func (k *tlsHandshakes) nextLocked() (next *handshakeAddr) {
	e := k.order.Front()
	for i := 0; i < compared && e != nil; i++ {
		if c := e.Value.(*handshakeAddr); next == nil || c.held < next.held {
			next = c
		}
		e = e.Next()
	}
	return next
}

const (
	// silentFor is how long a client may be silent while an address waits that has less
	// than half as many places. silentLonger is how long while any other address waits.
	silentFor    = 250 * time.Millisecond
	silentLonger = time.Second
	// lookAgain is the time between two looks for silent clients.
	lookAgain = 50 * time.Millisecond
	// compared is how many of the waiting addresses are compared.
	compared = 16
)

// evictLocked takes places away for waiting connections, if it may, and makes sure that it is
// called again as long as one waits.
func (k *tlsHandshakes) evictLocked(now time.Time) {
	if !k.evicts || k.ended {
		return
	}
	for k.evicting < k.waiting {
		next := k.nextLocked()
		s := k.silentLocked(next, now)
		if s == nil {
			break
		}
		k.takeAwayLocked(s)
	}
	if k.waiting > 0 && k.timer == nil {
		k.timer = time.AfterFunc(lookAgain, k.look)
	}
}

// takeAwayLocked has unlock end s, so that its place becomes free.
func (k *tlsHandshakes) takeAwayLocked(s *tlsPlace) {
	k.speaksLocked(s)
	s.evicted = true
	s.addr.held--
	s.addr.evicting++
	k.evicting++
	k.evicted = append(k.evicted, s)
}

func (k *tlsHandshakes) look() {
	k.mu.Lock()
	defer k.unlock()
	k.timer = nil
	k.evictLocked(k.now())
}

// unlock releases mu after takeAwayLocked, and ends the handshakes: connections have locks of their own.
func (k *tlsHandshakes) unlock() {
	evicted := k.evicted
	k.evicted = nil
	k.mu.Unlock()
	for _, s := range evicted {
		s.client.Close(ErrTLSShed)
	}
}

// silentLocked returns the handshake that must give way to one of next; nil if there
// is none yet.
func (k *tlsHandshakes) silentLocked(next *handshakeAddr, now time.Time) *tlsPlace {
	most := k.mostSilentLocked(next)
	if most == nil {
		return nil
	}
	timeout := silentLonger
	if most.held > 2*next.held+1 {
		timeout = silentFor
	}
	return most.silentSinceLocked(now.Add(-timeout))
}

// mostSilentLocked returns the address that has the most places, of those with silent
// clients other than except; nil if there is none.
func (k *tlsHandshakes) mostSilentLocked(except *handshakeAddr) (most *handshakeAddr) {
	for e := k.quiet.Front(); e != nil; e = e.Next() {
		if c := e.Value.(*handshakeAddr); c != except && (most == nil || c.held > most.held) {
			most = c
		}
	}
	return most
}

// silentSinceLocked returns the handshake whose client has been silent for longest, if
// that is since at or earlier.
func (c *handshakeAddr) silentSinceLocked(at time.Time) *tlsPlace {
	if s := c.silent.Front().Value.(*tlsPlace); !s.since.After(at) {
		return s
	}
	return nil
}

// awaits notes that the client owes s the next flight, until answers is called. A flight may
// come in many reads, even one for each byte, which do not restart its time.
func (k *tlsHandshakes) awaits(s *tlsPlace) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if s.silent != nil || s.evicted {
		return
	}
	c := s.addr
	s.since = k.now()
	s.silent = c.silent.PushBack(s)
	if c.inQuiet == nil {
		c.inQuiet = k.quiet.PushBack(c)
	}
}

// answers notes that the client's flight has come and is answered.
func (k *tlsHandshakes) answers(s *tlsPlace) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.speaksLocked(s)
}

// speaksLocked removes s from the silent handshakes, if it is one.
func (k *tlsHandshakes) speaksLocked(s *tlsPlace) {
	if s.silent == nil {
		return
	}
	c := s.addr
	c.silent.Remove(s.silent)
	s.silent = nil
	if c.silent.Len() == 0 {
		k.quiet.Remove(c.inQuiet)
		c.inQuiet = nil
	}
}
