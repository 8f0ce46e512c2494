//go:build linux

package netpoll

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// State is all that a connection is between two turns: its socket, input that the handler
// left over, pending output, its deadline, its TLS, its addresses, its tag, a Hold, and whether WriteLast was called.
// Every connection enters an engine with a State and leaves it with one: see
// Conn.Leave and Engine.Enter. One goroutine at a time may use a State. The program must
// Enter or Close it, else the descriptor stays open.
type State struct {
	fd       int
	phase    phase // dialing or live; unborn once it has been entered or closed
	access   access
	held     held
	tag      int32
	err      error   // that OnClose gets, if WriteLast gave one
	input    []byte  // left over by the handler
	out      *output // pending output, encrypted if there is TLS
	tls      *tlsTransport
	deadline time.Time // zero for none
	active   time.Time // the peer's last sign of life; zero means now
	addrs    *addrs
	lease    lease
}

var errUsedHandler = errors.New("netpoll: the handler has been given to an engine before; each connection needs a new one")

// Close closes the connection and drops pending output. On a State that was entered or
// closed it does nothing.
func (s *State) Close() {
	if s.phase != unborn {
		s.close()
		*s = State{}
	}
}

func (s *State) close() {
	s.closeSocket()
	s.lease.end()
}

func (s *State) closeSocket() {
	if s.out != nil {
		s.out.free()
	}
	unix.Close(s.fd)
}

// departures are the calls of Leave that a turn has yet to answer. There are few at a time,
// so connections have no room for them.
type departures struct {
	n     atomic.Int32 // of calls, so that connections that end need no lock
	mu    sync.Mutex
	calls map[*Conn]func(*State, error)
}

// add reports whether c had no call yet.
func (d *departures) add(c *Conn, f func(*State, error)) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.calls[c] != nil {
		return false
	}
	if d.calls == nil {
		d.calls = make(map[*Conn]func(*State, error))
	}
	d.calls[c] = f
	d.n.Add(1)
	return true
}

// take removes and returns the call for c; nil if there is none.
func (d *departures) take(c *Conn) func(*State, error) {
	if d.n.Load() == 0 {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.calls[c]
	if f != nil {
		delete(d.calls, c)
		d.n.Add(-1)
	}
	return f
}
