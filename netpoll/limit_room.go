//go:build linux

package netpoll

import "time"

// MakeRoom sets a function that makes room for a new connection when as many are open as
// Options.MaxConns allows. f is called on a listener's goroutine, unless a connection makes room
// that has been silent for some time before its TLS handshake. f must report whether it has
// closed a connection that matters less; then the listener waits a moment for that one's end
// before it refuses the new one. MakeRoom must be called before Listen.
func (e *Engine) MakeRoom(f func() bool) { e.admission.makeRoom = f }

// roomTime is how long a listener waits for the end of a connection that was closed
// to make room.
const roomTime = 50 * time.Millisecond

// makeRoom closes a connection if the next one is beyond MaxConns. It waits for its end only
// when the reserve is used up too; meanwhile new connections wait in the kernel's queue.
func (l *Listener) makeRoom() {
	e := l.engine
	if !e.admission.atLimit() || !e.makeRoom(time.Now()) {
		return
	}
	for end := time.Now().Add(roomTime); e.admission.atMost() && time.Now().Before(end); {
		select {
		case <-l.stop:
			return
		case <-time.After(time.Millisecond):
		}
	}
}

// makeRoom closes the connection that matters least, and reports whether there is one. It
// tries, in this order: a TLS client that has sent no ClientHello for some time; a connection
// that the protocol chooses; any other client whose ClientHello has not come; and a handshake.
func (e *Engine) makeRoom(now time.Time) bool {
	f := e.admission.makeRoom
	return e.serverHandshakes.closeAwaitingHello(now.Add(e.opts.TLSTimeout-silentFor)) || f != nil && f() ||
		e.serverHandshakes.closeAwaitingHello(now.Add(e.opts.TLSTimeout)) || e.serverHandshakes.makeRoom(now)
}

// awaitHello notes that the ClientHello of g has yet to come.
func (k *tlsHandshakes) awaitHello(g *tlsWaiter) {
	if k.bounded {
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
			k.mu.Unlock()
			return true
		}
	}
	g := k.lastWaitingLocked()
	k.mu.Unlock()
	k.close(g)
	return g != nil
}
