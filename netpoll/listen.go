//go:build linux

package netpoll

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	easygo "github.com/mailru/easygo/netpoll"
	"golang.org/x/sys/unix"

	"github.com/fanfare-ws/fanfare/netpoll/internal/sys"
)

// Listener accepts connections for an engine.
type Listener struct {
	engine *Engine
	socket
	poll    *easygo.Epoll
	accept  func() Handler
	proxied bool          // every connection has a preamble
	ready   chan struct{} // the socket became readable
	batch   int           // calls of accept since the last pause; of run alone
	stop    chan struct{}
	done    chan struct{}
	once    sync.Once
}

// Listen is ListenOn with the address of a TCP port, "host:port", where port 0 picks a free port, or of a
// Unix socket, "unix:path".
func (e *Engine) Listen(addr string, accept func() Handler) (*Listener, error) {
	return e.ListenOn(Endpoint{Addr: addr}, accept)
}

// ListenTLS is Listen for connections with TLS: accept is called, from several
// goroutines, when a handshake is done, and the handler reads and writes decrypted bytes.
// Handshakes are bounded by Options.TLSHandshakes and TLSTimeout.
// close_notify, from either side, is the end of a connection as Close, Finish and
// io.EOF describe it. Options.MaxPending is compared with the bytes
// before encryption; records add about two percent. A [Buffer]
// must be encrypted for each connection, so its memory is not shared.
func (e *Engine) ListenTLS(addr string, t TLS, accept func() Handler) (*Listener, error) {
	return e.ListenOn(Endpoint{Addr: addr, TLS: &t}, accept)
}

// ListenOn accepts connections at an endpoint. For each it calls accept to get its handler; nil refuses the
// connection. accept is always called on the same goroutine, unless the endpoint has TLS or the connection a preamble
// (see Options.Preamble): then it is called on several, when the handshake or the preamble is done. An engine may have
// any number of listeners.
func (e *Engine) ListenOn(at Endpoint, accept func() Handler) (*Listener, error) {
	if at.Preamble && e.opts.Preamble == nil {
		return nil, errors.New("netpoll: listening with preambles needs Options.Preamble")
	}
	if at.TLS != nil {
		if at.TLS.Config == nil {
			return nil, errors.New("netpoll: listening with TLS needs a TLS.Config")
		}
		accept = e.acceptTLS(*at.TLS, accept)
	}
	s, err := at.open(e.opts)
	if err != nil {
		return nil, err
	}
	l := &Listener{
		engine:  e,
		socket:  s,
		poll:    e.loops[0].poll,
		accept:  accept,
		proxied: at.Preamble,
		ready:   make(chan struct{}, 1),
		stop:    make(chan struct{}),
		done:    make(chan struct{}),
	}
	if !e.enlist(l) {
		s.close()
		return nil, ErrShutdown
	}
	go l.run()
	if err := l.poll.Add(s.fd, easygo.EPOLLIN|easygo.EPOLLET, l.onEvent); err != nil {
		l.Close()
		return nil, fmt.Errorf("netpoll: listen: %w", err)
	}
	return l, nil
}

// enlist adds l to the engine's listeners. It reports false if the engine is shutting down.
func (e *Engine) enlist(l *Listener) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.closing {
		e.listeners[l] = struct{}{}
	}
	return !e.closing
}

// Addr returns the address that the listener is bound to: a *net.TCPAddr or a *net.UnixAddr.
func (l *Listener) Addr() net.Addr { return l.addr }

// Close stops accepting. Connections stay open, and TLS handshakes go on. The
// accept function must not call Close, which waits for it.
func (l *Listener) Close() {
	l.once.Do(func() {
		close(l.stop)
		<-l.done
		_ = l.poll.Del(l.fd)
		l.socket.close()
		l.engine.mu.Lock()
		delete(l.engine.listeners, l)
		l.engine.mu.Unlock()
	})
}

func (l *Listener) onEvent(easygo.EpollEvent) {
	select {
	case l.ready <- struct{}{}:
	default:
	}
}

// run accepts until no connection waits, then waits for the next event.
func (l *Listener) run() {
	defer close(l.done)
	backoff := newBackoff()
	for {
		err := l.acceptAll(backoff)
		var pause <-chan time.Time
		if err != nil {
			pause = time.After(backoff.grow(l.engine.opts.Logger, err))
		}
		select {
		case <-l.stop:
			return
		case <-l.ready:
			if pause != nil { // new arrivals do not shorten the pause
				select {
				case <-pause:
				case <-l.stop:
					return
				}
			}
		case <-pause:
		}
	}
}

// acceptAll accepts all connections that wait. After an error the caller must call it
// again, because there will be no event.
func (l *Listener) acceptAll(b *backoff) error {
	for {
		if l.batch++; l.batch >= l.engine.batch() {
			l.batch = 0
			l.pace()
		}
		select {
		case <-l.stop:
			return nil
		default:
		}
		fd, peer, err := sys.Accept(l.fd)
		switch err {
		case nil:
			l.take(fd, peer)
		case unix.EAGAIN: // not earlier: one descriptor that came free does not end the shortage
			b.reset(l.engine.opts.Logger)
			return nil
		case unix.EINTR, unix.ECONNABORTED, unix.EPROTO, unix.EPERM,
			unix.ENETDOWN, unix.ENETUNREACH, unix.EHOSTDOWN, unix.EHOSTUNREACH,
			unix.ENOPROTOOPT, unix.ENONET, unix.EOPNOTSUPP, unix.ETIMEDOUT:
			// accept(2): errors of the connection, not of the listener.
		default: // EMFILE, ENFILE, ENOBUFS, ENOMEM: temporary
			return err
		}
	}
}

const (
	acceptBatch = 32
	acceptPause = 10 * time.Millisecond
)

// pace waits between two batches while the loops are behind with their work. Otherwise thousands that connect at once would
// all stand in the queues before the next message of a client that is connected already. Now they wait in the kernel's queue
// instead. It does not wait for long: a server whose clients keep it busy all the time still accepts 1,600 connections a second for
// each of its loops, and at least 3,200.
func (l *Listener) pace() {
	for end := time.Now().Add(acceptPause); l.engine.isBehind() && time.Now().Before(end); {
		select {
		case <-l.stop:
			return
		case <-time.After(time.Millisecond):
		}
	}
}

// isBehind reports whether half of the loops have much to do.
func (e *Engine) isBehind() bool {
	behind := 0
	for _, l := range e.loops {
		if l.ready.State(0).Waiting >= behindAt {
			behind++
		}
	}
	return behind > 0 && 2*behind >= len(e.loops)
}

// batch returns how many connections are accepted without a look at the loops.
func (e *Engine) batch() int { return acceptBatch / 2 * max(2, len(e.loops)) }

func (l *Listener) take(fd int, peer netip.Addr) {
	e := l.engine
	e.accepted.Add(1)
	accept, key := l.accept, netip.Addr{}
	if p := e.opts.Preamble; p != nil && (l.proxied || p.From(peer.Unmap())) {
		accept = func() Handler { return newPrePreamble(e, peer, l.accept) }
	} else {
		key = e.admission.ownerKey(peer)
	}
	if !e.admission.ownsAll(key) { // else the connection is refused anyway
		l.makeRoom()
	}
	lease, ok := e.admission.accept(key)
	if !ok {
		e.tellFullAddr(key)
		e.admission.refused.Add(1)
		unix.Close(fd)
		return
	}
	e.receive(State{fd: fd, phase: live, lease: lease}, accept())
}

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
	if !e.admission.atLimit() || !e.makeRoom(e.clock.Now()) {
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

// backoff spaces out the attempts of a listener that has run out of descriptors or
// memory, and logs the beginning and the end of that state, not every attempt.
type backoff struct{ pause time.Duration }

const (
	minBackoff = 5 * time.Millisecond
	maxBackoff = 500 * time.Millisecond
)

func newBackoff() *backoff { return &backoff{} }

func (b *backoff) grow(log logger, err error) time.Duration {
	if b.pause == 0 {
		log.Error("cannot accept connections; trying again, and serving open connections meanwhile", "error", acceptError(err))
		b.pause = minBackoff
	}
	p := b.pause
	b.pause = min(2*b.pause, maxBackoff)
	return p
}

func (b *backoff) reset(log logger) {
	if b.pause != 0 {
		log.Info("accepting connections again")
		b.pause = 0
	}
}

type logger interface {
	Error(msg string, args ...any)
	Info(msg string, args ...any)
}

func acceptError(err error) error {
	switch err {
	case unix.EMFILE:
		return fmt.Errorf("%w: raise the process's limit (ulimit -n)", err)
	case unix.ENFILE:
		return fmt.Errorf("%w: raise the system's limit (sysctl fs.file-max)", err)
	}
	return err
}
