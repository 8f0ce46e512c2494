//go:build linux

package netpoll

import (
	"context"
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
	addr   net.Addr
	fd     int
	poll   *easygo.Epoll
	accept func() Handler
	ready  chan struct{} // the socket became readable
	stop   chan struct{}
	done   chan struct{}
	once   sync.Once
}

// Listen accepts TCP connections on addr, "host:port"; port 0 picks a free port. For
// each connection it calls accept, always on the same goroutine, to get its handler;
// nil refuses the connection.
func (e *Engine) Listen(addr string, accept func() Handler) (*Listener, error) {
	var lc net.ListenConfig
	lc.SetMultipathTCP(false) // its sockets take no TCP_NOTSENT_LOWAT
	nl, err := lc.Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, err
	}
	defer nl.Close()
	fd, err := dup(nl.(*net.TCPListener))
	if err != nil {
		return nil, fmt.Errorf("netpoll: listen: %w", err)
	}
	if err := setSocketOptions(fd, e.opts); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("netpoll: listen: %w", err)
	}
	l := &Listener{
		engine: e,
		addr:   nl.Addr(),
		fd:     fd,
		poll:   e.loops[0].poll,
		accept: accept,
		ready:  make(chan struct{}, 1),
		stop:   make(chan struct{}),
		done:   make(chan struct{}),
	}
	if !e.enlist(l) {
		unix.Close(fd)
		return nil, ErrShutdown
	}
	go l.run()
	if err := l.poll.Add(fd, easygo.EPOLLIN|easygo.EPOLLET, l.onEvent); err != nil {
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

// Addr returns the address that the listener is bound to.
func (l *Listener) Addr() net.Addr { return l.addr }

// Close stops accepting. Connections stay open, and TLS handshakes go on. The
// accept function must not call Close, which waits for it.
func (l *Listener) Close() {
	l.once.Do(func() {
		close(l.stop)
		<-l.done
		_ = l.poll.Del(l.fd)
		unix.Close(l.fd)
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

func (l *Listener) take(fd int, peer netip.Addr) {
	e := l.engine
	e.accepted.Add(1)
	if !e.admission.ownsAll(peer) { // else the connection is refused anyway
		l.makeRoom()
	}
	lease, ok := e.admission.accept(peer)
	if !ok {
		e.admission.refused.Add(1)
		unix.Close(fd)
		return
	}
	h, s := l.accept(), State{fd: fd, phase: live, lease: lease}
	if h == nil || e.enter(&s, h) != nil {
		if g, before := h.(preHandler); before {
			g.abandon()
		}
		e.admission.refused.Add(1)
		s.close()
	}
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
