//go:build linux

package netpoll

import (
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"time"
)

// ErrTLSShed says that a TLS handshake had to give way: its client was silent while a
// connection of another address waited for a place, too many connections of its address wait, or
// Options.MaxConns was reached.
var ErrTLSShed = errors.New("netpoll: too many TLS handshakes are under way, and this one had to give way")

func (k *tlsHandshakes) init(evicts bool, now func() time.Time) {
	k.evicts, k.now = evicts, now
	k.running = make(map[*tlsPlace]struct{})
	k.addrs = make(map[netip.Addr]*handshakeAddr)
}

// set changes the number of places, and how many connections may wait for them. Handshakes under way go on. If there
// are more places, connections that wait get them.
func (k *tlsHandshakes) set(o Options) {
	k.bounded.Store(k.evicts && o.MaxConns > 0)
	k.mu.Lock()
	k.free += o.TLSHandshakes - k.places
	k.places = o.TLSHandshakes
	k.mostAll, k.mostOne = o.TLSWaiting, (o.TLSWaiting+1)/2
	if !k.evicts || o.TLSWaiting < 0 {
		k.mostAll, k.mostOne = 1<<30, 1<<30
	}
	granted := k.grantLocked(nil)
	k.mu.Unlock()
	for _, g := range granted {
		g.client.Again()
	}
}

// grantLocked gives free places to waiting connections, which the caller must call Again for.
func (k *tlsHandshakes) grantLocked(granted []*tlsWaiter) []*tlsWaiter {
	for k.free > 0 && !k.ended {
		next := k.nextLocked()
		if next == nil {
			break
		}
		g := next.waiting.Front().Value.(*tlsWaiter)
		k.free--
		next.held++
		k.order.MoveToBack(next.inOrder)
		k.unwaitLocked(g)
		g.granted = true
		granted = append(granted, g)
	}
	return granted
}

// enter reports whether g got a place. If not, g.client.again is called when there is
// one, or g.conn is closed if too many wait.
func (k *tlsHandshakes) enter(g *tlsWaiter) bool {
	var key netip.Addr
	if g.addr == nil {
		key = g.client.Owner()
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
	k.evictLocked(k.now())
	k.unlock()
	k.close(shed)
	return false
}

// close closes g with ErrTLSShed, if it is not nil.
func (k *tlsHandshakes) close(g *tlsWaiter) {
	if g != nil {
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
	k.free++
	var one [1]*tlsWaiter // so that none is allocated
	granted := k.grantLocked(one[:0])
	k.mu.Unlock()
	for _, g := range granted {
		g.client.Again()
	}
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

// fail counts a handshake that ended in an error, once and for one cause: so the counter of no cause ever falls, nor does what
// is left of all failures without two of them.
func (k *tlsHandshakes) fail(log *slog.Logger, err error) {
	switch {
	case errors.Is(err, ErrTLSShed):
		k.shed.Add(1)
	case errors.Is(err, ErrTLSTimeout) || errors.Is(err, os.ErrDeadlineExceeded):
		k.timedOut.Add(1)
	default:
		k.broken.Add(1)
	}
	log.Debug("TLS handshake failed", "error", err)
}

func (k *tlsHandshakes) end() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ended = true
	if k.timer != nil {
		k.timer.Stop()
	}
}

// busy reports whether a place is taken.
func (k *tlsHandshakes) busy() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.free < k.places
}

// awaitHello notes that the ClientHello of g has yet to come.
func (k *tlsHandshakes) awaitHello(g *tlsWaiter) {
	if k.bounded.Load() {
		k.mu.Lock()
		g.awaitingHello = k.awaitingHello.PushBack(g)
		k.mu.Unlock()
	}
}

// helloCameLocked undoes awaitHello.
func (k *tlsHandshakes) helloCameLocked(g *tlsWaiter) {
	if g.awaitingHello != nil {
		k.awaitingHello.Remove(g.awaitingHello)
		g.awaitingHello = nil
	}
}

// closeAwaitingHello closes the oldest connection whose ClientHello has not come, if the time
// for its handshake ends at until or earlier. It reports whether there is one.
func (k *tlsHandshakes) closeAwaitingHello(until time.Time) bool {
	k.mu.Lock()
	e := k.awaitingHello.Front()
	if e == nil || e.Value.(*tlsWaiter).until.After(until) {
		k.mu.Unlock()
		return false
	}
	g := e.Value.(*tlsWaiter)
	k.helloCameLocked(g)
	k.mu.Unlock()
	k.close(g)
	return true
}

// makeRoom ends the handshake of a client that has been silent for some time, else closes a
// connection that waits for a place: of the address that has the most of them. It reports
// whether there is one.
func (k *tlsHandshakes) makeRoom(now time.Time) bool {
	k.mu.Lock()
	if c := k.mostSilentLocked(nil); c != nil {
		if s := c.silentSinceLocked(now.Add(-silentFor)); s != nil {
			k.takeAwayLocked(s)
			k.unlock()
			return true
		}
	}
	g := k.lastWaitingLocked()
	k.mu.Unlock()
	k.close(g)
	return g != nil
}
