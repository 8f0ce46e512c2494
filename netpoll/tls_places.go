//go:build linux

package netpoll

import (
	"container/list"
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// ErrTLSShed says that a TLS handshake had to give way: its client was silent while one
// of another address waited for a place, too many of its address wait, or there was no
// place for another connection (Options.MaxConns).
var ErrTLSShed = errors.New("netpoll: too many TLS handshakes are under way, and this one had to give way")

// tlsHandshakes are the TLS handshakes of an engine, in one of both roles: if it calls
// itself, one does not take the other's place. crypto/tls cannot go on with a
// handshake where a read found nothing, so each has a goroutine until it is done, and
// there are so many places for them.
//
// Places are shared by address (see OwnerOf). A place that comes free goes to the
// address that has the fewest, of some that have waited for longest. If none comes
// free, one is taken away from a client that owes the next flight: from the address
// that has the most, and the one that has owed it for longest, however it comes: a byte
// now and then does not count. So a client that sends a ClientHello and stops keeps a
// place only as long as no other address wants it.
//
// Connections take places of Options.MaxConns, too: see makeRoom for how those give way.
type tlsHandshakes struct {
	evicts  bool // only those of clients: the engine chooses itself whom it calls
	bounded bool // by MaxConns, so that awaitingHello is kept
	places  int
	mostAll int // that wait
	mostOne int // of these, of one address

	mu            sync.Mutex
	free          int
	addrs         map[netip.Addr]*handshakeAddr
	awaitingHello list.List // of those whose ClientHello has not come, *preTLS: the oldest first
	order         list.List // of those that wait, *handshakeAddr: one that got a place goes to the end
	crowds        crowds    // of the same
	quiet         list.List // of those with silent clients, *handshakeAddr
	waiting       int
	evicting      int // places that will be free at once
	running       map[*tlsHandshake]struct{}
	ended         bool
	timer         *time.Timer // looks again while somebody waits

	failed atomic.Int64
	shed   atomic.Int64
}

// handshakeAddr is an address with handshakes.
type handshakeAddr struct {
	key      netip.Addr
	held     int           // places, those that are being taken away not counted
	waiting  list.List     // of *preTLS
	silent   list.List     // of *tlsHandshake: the longest first
	inOrder  *list.Element // in tlsHandshakes.order, while somebody waits
	inCrowd  *list.Element // in tlsHandshakes.crowds, likewise
	crowd    int           // in the list of which number there
	inQuiet  *list.Element // in tlsHandshakes.quiet, while somebody is silent
	evicting int
}

const (
	// silentFor is how long a client may be silent while an address waits that has less
	// than half as many places; silentLonger, while any other address waits.
	silentFor    = 250 * time.Millisecond
	silentLonger = time.Second
	// lookAgain is the time between two looks for those who are silent.
	lookAgain = 50 * time.Millisecond
	// compared is how many of the addresses that wait are compared.
	compared = 16
)

func (k *tlsHandshakes) init(o Options, evicts bool) {
	k.places, k.free, k.evicts = o.TLSHandshakes, o.TLSHandshakes, evicts
	k.bounded = evicts && o.MaxConns > 0
	k.mostAll, k.mostOne = o.TLSWaiting, (o.TLSWaiting+1)/2
	if !evicts || o.TLSWaiting < 0 {
		k.mostAll, k.mostOne = 1<<30, 1<<30
	}
	k.running = make(map[*tlsHandshake]struct{})
	k.addrs = make(map[netip.Addr]*handshakeAddr)
}

// enter reports whether g got a place. If not, g.conn.again is called when there is
// one; g.conn is closed if it cannot even wait.
func (k *tlsHandshakes) enter(g *preTLS) bool {
	var key netip.Addr
	if g.addr == nil {
		key = OwnerOf(g.conn.RemoteAddr().Addr())
	}
	k.mu.Lock()
	k.helloCameLocked(g)
	if g.granted {
		g.granted = false
		k.mu.Unlock()
		return true
	}
	if g.waiting != nil {
		k.mu.Unlock()
		return false
	}
	if g.addr == nil {
		g.addr = k.addrLocked(key)
	}
	if k.free > 0 && !k.ended {
		k.free--
		g.addr.held++
		k.mu.Unlock()
		return true
	}
	shed := k.waitLocked(g)
	k.evictLocked(time.Now())
	k.mu.Unlock()
	k.close(shed)
	return false
}

// close has g, if it is not nil, give way.
func (k *tlsHandshakes) close(g *preTLS) {
	if g != nil {
		k.shed.Add(1)
		g.conn.Close(ErrTLSShed)
	}
}

func (k *tlsHandshakes) addrLocked(key netip.Addr) *handshakeAddr {
	c := k.addrs[key]
	if c == nil {
		c = &handshakeAddr{key: key}
		k.addrs[key] = c
	}
	return c
}

// tidyLocked forgets c if it has nothing.
func (k *tlsHandshakes) tidyLocked(c *handshakeAddr) {
	if c.held == 0 && c.evicting == 0 && c.waiting.Len() == 0 && k.addrs[c.key] == c {
		delete(k.addrs, c.key)
	}
}

// waitLocked has g wait. If too many do, it returns the one that must go: g, if its
// address has as many as it may or as anybody has, else the last of the address that
// has the most.
func (k *tlsHandshakes) waitLocked(g *preTLS) (shed *preTLS) {
	c := g.addr
	if c.waiting.Len() >= k.mostOne {
		k.tidyLocked(c)
		return g
	}
	g.waiting = c.waiting.PushBack(g)
	k.crowds.update(c)
	if c.inOrder == nil {
		c.inOrder = k.order.PushBack(c)
	}
	if k.waiting++; k.waiting <= k.mostAll {
		return nil
	}
	return k.lastWaitingLocked()
}

// lastWaitingLocked takes out the last that waits of the address that has the most of
// them; nil if none waits.
func (k *tlsHandshakes) lastWaitingLocked() *preTLS {
	c := k.crowds.largest()
	if c == nil {
		return nil
	}
	g := c.waiting.Back().Value.(*preTLS)
	k.unwaitLocked(g)
	return g
}

func (k *tlsHandshakes) unwaitLocked(g *preTLS) {
	c := g.addr
	c.waiting.Remove(g.waiting)
	k.crowds.update(c)
	g.waiting = nil
	k.waiting--
	if c.waiting.Len() == 0 {
		k.order.Remove(c.inOrder)
		c.inOrder = nil
		k.tidyLocked(c)
	}
}

// nextLocked returns the address that gets the next place: the one with the fewest, of
// the first that wait.
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

// leave ends the place that c has, of a handshake that was evicted or not, and gives it
// to one that waits.
func (k *tlsHandshakes) leave(c *handshakeAddr, evicted bool) {
	k.mu.Lock()
	if evicted {
		c.evicting--
		k.evicting--
	} else {
		c.held--
	}
	k.tidyLocked(c)
	next := k.nextLocked()
	if next == nil || k.ended {
		k.free++
		k.mu.Unlock()
		return
	}
	g := next.waiting.Front().Value.(*preTLS)
	next.held++
	k.order.MoveToBack(next.inOrder)
	k.unwaitLocked(g)
	g.granted = true
	k.mu.Unlock()
	g.conn.again()
}

// drop forgets g, which is closed.
func (k *tlsHandshakes) drop(g *preTLS) {
	k.mu.Lock()
	k.helloCameLocked(g)
	if g.waiting != nil {
		k.unwaitLocked(g)
	}
	granted := g.granted
	g.granted = false
	k.mu.Unlock()
	if granted {
		k.leave(g.addr, false)
	}
}

// evictLocked takes places away for those who wait, if it may, and has itself called
// again as long as somebody does.
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

// takeAwayLocked ends s, so that its place comes free.
func (k *tlsHandshakes) takeAwayLocked(s *tlsHandshake) {
	k.speaksLocked(s)
	s.evicted = true
	s.addr.held--
	s.addr.evicting++
	k.evicting++
	_ = s.file.SetDeadline(time.Unix(1, 0))
}

func (k *tlsHandshakes) look() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.timer = nil
	k.evictLocked(time.Now())
}

// silentLocked returns the handshake that has to give way to one of next; nil if there
// is none yet.
func (k *tlsHandshakes) silentLocked(next *handshakeAddr, now time.Time) *tlsHandshake {
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
// clients but except; nil if there is none.
func (k *tlsHandshakes) mostSilentLocked(except *handshakeAddr) (most *handshakeAddr) {
	for e := k.quiet.Front(); e != nil; e = e.Next() {
		if c := e.Value.(*handshakeAddr); c != except && (most == nil || c.held > most.held) {
			most = c
		}
	}
	return most
}

// silentSinceLocked returns the handshake whose client has been silent for longest, if
// that has been so since at.
func (c *handshakeAddr) silentSinceLocked(at time.Time) *tlsHandshake {
	if s := c.silent.Front().Value.(*tlsHandshake); !s.since.After(at) {
		return s
	}
	return nil
}

// awaits notes that the client owes s the next flight, until answers. A flight comes in
// many reads, one for each byte if the client likes, and does not begin anew with each.
func (k *tlsHandshakes) awaits(s *tlsHandshake) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if s.silent != nil || s.evicted {
		return
	}
	c := s.addr
	s.since = time.Now()
	s.silent = c.silent.PushBack(s)
	if c.inQuiet == nil {
		c.inQuiet = k.quiet.PushBack(c)
	}
}

// answers notes that the client's flight has come, and is answered.
func (k *tlsHandshakes) answers(s *tlsHandshake) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.speaksLocked(s)
}

// speaksLocked takes s from those who are silent, if it is one.
func (k *tlsHandshakes) speaksLocked(s *tlsHandshake) {
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

// add reports whether s may begin: not when the engine shuts down.
func (k *tlsHandshakes) add(s *tlsHandshake) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.ended {
		k.running[s] = struct{}{}
	}
	return !k.ended
}

// remove reports whether s was evicted.
func (k *tlsHandshakes) remove(s *tlsHandshake) (evicted bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.running, s)
	k.speaksLocked(s)
	return s.evicted
}

func (k *tlsHandshakes) fail(e *Engine, err error) {
	k.failed.Add(1)
	e.opts.Logger.Debug("TLS handshake failed", "error", err)
}

func (k *tlsHandshakes) end() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ended = true
	if k.timer != nil {
		k.timer.Stop()
	}
	for s := range k.running {
		_ = s.file.SetDeadline(time.Unix(1, 0))
	}
}
