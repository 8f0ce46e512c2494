//go:build linux

package netpoll

import (
	"container/list"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// ErrTLSShed says that a TLS handshake had to give way: its client was silent while a
// connection of another address waited for a place, too many connections of its address wait, or
// Options.MaxConns was reached.
var ErrTLSShed = errors.New("netpoll: too many TLS handshakes are under way, and this one had to give way")

// tlsHandshakes are the TLS handshakes of an engine as server, or as client: if an engine
// connects to itself, one side does not take the place of the other. crypto/tls cannot resume a
// handshake after a read that found nothing, so each has a goroutine until it is done, and
// the number of places for them is limited.
//
// Places are shared by address (see OwnerOf). A place that becomes free goes to the
// address that has the fewest places, of some that have waited longest. If none becomes
// free, one is taken away from a client that owes its next flight: from the address
// that has the most places, the handshake whose flight has been due for longest. A byte
// now and then does not change that. So a client that sends a ClientHello and stops keeps its
// place only as long as no other address wants it.
//
// Handshakes count against Options.MaxConns, too: makeRoom says how they give way for that.
type tlsHandshakes struct {
	evicts  bool // only as server: as client the engine itself chooses its peers
	bounded bool // by MaxConns, so that awaitingHello is used
	places  int
	mostAll int // waiting connections
	mostOne int // waiting connections of one address

	mu            sync.Mutex
	free          int
	addrs         map[netip.Addr]*handshakeAddr
	awaitingHello list.List // of *tlsWaiter whose ClientHello has not come: the oldest first
	order         list.List // of *handshakeAddr with waiting connections: one that gets a place goes to the end
	crowds        crowds    // of the same
	quiet         list.List // of those with silent clients, *handshakeAddr
	waiting       int
	evicting      int // places that will be free at once
	running       map[*tlsPlace]struct{}
	ended         bool
	timer         *time.Timer // for the next look while a connection waits

	failed atomic.Int64
	shed   atomic.Int64
}

// tlsWaiter is a connection before its TLS handshake, as the places know it.
type tlsWaiter struct {
	client tlsClient
	until  time.Time
	addr   *handshakeAddr // nil before enter
	// Guarded by tlsHandshakes.mu.
	awaitingHello *list.Element // in tlsHandshakes.awaitingHello
	waiting       *list.Element // for a place
	granted       bool          // a place is kept for it
}

// tlsClient is the [Conn] of a tlsWaiter.
type tlsClient interface {
	RemoteAddr() netip.AddrPort
	Close(error)
	Again()
}

// tlsPlace is a handshake that has its place.
type tlsPlace struct {
	file *os.File // the socket, for the time of the handshake
	addr *handshakeAddr
	// Guarded by tlsHandshakes.mu.
	silent  *list.Element // in handshakeAddr.silent
	since   time.Time
	evicted bool
}

// handshakeAddr is an address with handshakes under way or waiting.
type handshakeAddr struct {
	key      netip.Addr
	held     int           // places, not counting those that are being taken away
	waiting  list.List     // of *tlsWaiter
	silent   list.List     // of *tlsPlace: the longest first
	inOrder  *list.Element // in tlsHandshakes.order, while somebody waits
	inCrowd  *list.Element // in tlsHandshakes.crowds, likewise
	crowd    int           // in the list of which number there
	inQuiet  *list.Element // in tlsHandshakes.quiet, while somebody is silent
	evicting int
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

func (k *tlsHandshakes) init(o Options, evicts bool) {
	k.places, k.free, k.evicts = o.TLSHandshakes, o.TLSHandshakes, evicts
	k.bounded = evicts && o.MaxConns > 0
	k.mostAll, k.mostOne = o.TLSWaiting, (o.TLSWaiting+1)/2
	if !evicts || o.TLSWaiting < 0 {
		k.mostAll, k.mostOne = 1<<30, 1<<30
	}
	k.running = make(map[*tlsPlace]struct{})
	k.addrs = make(map[netip.Addr]*handshakeAddr)
}

// enter reports whether g got a place. If not, g.client.again is called when there is
// one, or g.conn is closed if too many wait.
func (k *tlsHandshakes) enter(g *tlsWaiter) bool {
	var key netip.Addr
	if g.addr == nil {
		key = OwnerOf(g.client.RemoteAddr().Addr())
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

// close closes g with ErrTLSShed, if it is not nil.
func (k *tlsHandshakes) close(g *tlsWaiter) {
	if g != nil {
		k.shed.Add(1)
		g.client.Close(ErrTLSShed)
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

// tidyLocked deletes c if it has no handshakes left.
func (k *tlsHandshakes) tidyLocked(c *handshakeAddr) {
	if c.held == 0 && c.evicting == 0 && c.waiting.Len() == 0 && k.addrs[c.key] == c {
		delete(k.addrs, c.key)
	}
}

// waitLocked makes g wait. If too many wait, it returns the one that must be closed: g, if its
// address has as many as one address may or as any has, else the last one of the address that
// has the most.
func (k *tlsHandshakes) waitLocked(g *tlsWaiter) (shed *tlsWaiter) {
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

// lastWaitingLocked removes and returns the last waiting connection of the address that has the
// most of them; nil if none waits.
func (k *tlsHandshakes) lastWaitingLocked() *tlsWaiter {
	c := k.crowds.largest()
	if c == nil {
		return nil
	}
	g := c.waiting.Back().Value.(*tlsWaiter)
	k.unwaitLocked(g)
	return g
}

func (k *tlsHandshakes) unwaitLocked(g *tlsWaiter) {
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

// leave ends a place of c, whose handshake was evicted or not, and gives it
// to a waiting connection.
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
	g := next.waiting.Front().Value.(*tlsWaiter)
	next.held++
	k.order.MoveToBack(next.inOrder)
	k.unwaitLocked(g)
	g.granted = true
	k.mu.Unlock()
	g.client.Again()
}

// drop removes g, which is closed.
func (k *tlsHandshakes) drop(g *tlsWaiter) {
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

// takeAwayLocked ends s, so that its place becomes free.
func (k *tlsHandshakes) takeAwayLocked(s *tlsPlace) {
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
	s.since = time.Now()
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

// add reports whether s may begin; it may not if the engine shuts down.
func (k *tlsHandshakes) add(s *tlsPlace) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.ended {
		k.running[s] = struct{}{}
	}
	return !k.ended
}

// remove reports whether s was evicted.
func (k *tlsHandshakes) remove(s *tlsPlace) (evicted bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.running, s)
	k.speaksLocked(s)
	return s.evicted
}

func (k *tlsHandshakes) fail(log *slog.Logger, err error) {
	k.failed.Add(1)
	log.Debug("TLS handshake failed", "error", err)
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
