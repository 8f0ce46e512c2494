package wsproto

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// ConnState is all that a connection is between two turns: the engine's part (socket,
// unread input, pending output, deadline, TLS) and the protocol's (the message in
// progress, the windows of compression, flags, subprotocol, value, tag). See Conn.Leave and
// Server.Enter. One goroutine at a time may use it. It must be entered again or closed,
// or its socket is never closed.
type ConnState struct {
	engine *netpoll.State
	flags  uint32
	mark   tick
	paid   moment
	client netip.Addr // that the connection is counted for, if it is
	part   *partial
	extra  *extra
}

// Close closes the connection. What is pending is dropped, and no handler is called.
func (s *ConnState) Close() { s.engine.Close() }

// Value returns what SetValue was given last, or nil.
func (s *ConnState) Value() any {
	if s.extra == nil {
		return nil
	}
	return s.extra.value
}

// Subprotocol returns the subprotocol that was agreed on, or "".
func (s *ConnState) Subprotocol() string {
	if s.extra == nil {
		return ""
	}
	return s.extra.subprotocol
}

// ErrBusy says that a connection cannot leave its server now: a Writer is open, or OnStream
// reads a message.
var ErrBusy = errors.New("wsproto: a message is being written or read in pieces")

// Leave takes the connection out of its server between two turns, and passes its state to f,
// so that another server can Enter it. Nothing is lost: the state includes half of a frame,
// the fragments of an incomplete message, and pending output. Leave does not wait. f is called
// on a worker, as the last call for the connection; the handler's OnClose is not called.
// Messages that were sent before are in the state, or with the kernel; the outcome of later
// ones is Closed. If the connection does not leave, f gets an error: ErrBusy, or one that wraps
// netpoll.ErrClosed if the connection ends, is leaving already, or is not an open connection
// of a server. Leave may call f itself with that error.
func (c *Conn) Leave(f func(*ConnState, error)) {
	if c.endpoint.server == nil || c.flags.Load()&flagOpen == 0 {
		f(nil, fmt.Errorf("wsproto: %w", netpoll.ErrClosed))
		return
	}
	c.io.Leave(func(s *netpoll.State, err error) {
		switch {
		case err == nil:
			f(c.leave(s), nil)
		case err == ErrBusy || err == netpoll.ErrReserved:
			f(nil, ErrBusy)
		default:
			f(nil, fmt.Errorf("wsproto: %w", err))
		}
	})
}

// MayLeave implements netpoll.Stayer. Streams begin in turns only, so none begins between this
// call, at the end of a turn, and the end of the connection's stay.
func (h *handle) MayLeave() error {
	if (*Conn)(h).streaming() != nil {
		return ErrBusy
	}
	return nil
}

// leave moves what the protocol keeps to a state. c is not used again, except that a sender
// may still note in takeover what it has sent.
func (c *Conn) leave(engine *netpoll.State) *ConnState {
	s := &ConnState{engine: engine, flags: c.flags.Load() &^ (flagStream | flagReadEnd), mark: c.mark, paid: c.paid, client: c.endpoint.server.clients.remove(c)}
	if c.parser.part != streamed { // no stream is at work
		s.part = c.parser.part
	}
	c.parser.part = nil
	if x := c.extra.Load(); x != nil {
		x.mu.Lock()
		s.extra = &extra{value: x.value, subprotocol: x.subprotocol, takeover: x.takeover}
		if d := x.deadlines; d != nil {
			own := *d // a late SetReadDeadline changes c's
			s.extra.deadlines = &own
		}
		x.mu.Unlock()
	}
	c.endpoint.server.counters.open.Add(-1)
	c.endDrain()
	return s
}

// Enter takes a connection that has left a server. It goes on where it was: h, whose OnOpen
// is not called, gets the next message, and OnClose at the end. The limits and timeouts are
// those of this server. Deadlines that are running, Hold and StreamAll remain in effect;
// WhenDrained does not. If the connection is compressed, the server needs Compression. On an
// error state is unchanged.
func (s *Server) Enter(state *ConnState, h Handler) (*Conn, error) {
	if err := s.begin(); err != nil {
		return nil, err
	}
	if s.closing() {
		return nil, ErrServerClosed
	}
	if state.flags&flagDeflate != 0 && s.Compression == nil {
		return nil, errors.New("wsproto: the connection is compressed; the server needs Compression")
	}
	c := &Conn{endpoint: s.endpoint, handler: h, parser: parser{state.part}, mark: state.mark, paid: state.paid}
	c.flags.Store(state.flags | handlerFlags(h))
	if state.extra != nil {
		c.extra.Store(state.extra)
	}
	s.counters.open.Add(1)
	if state.client.IsValid() {
		s.clients.add(c, state.client, 0)
	}
	if err := s.engine.Enter(state.engine, (*handle)(c)); err != nil {
		s.counters.open.Add(-1)
		s.clients.remove(c)
		return nil, fmt.Errorf("wsproto: %w", err)
	}
	return c, nil
}

// entered is called in the first turn of a connection that has entered. Calls of other
// goroutines that came while it left have set their flags, but did not reach the engine: they
// are made up for here. So is what Shutdown does, if it did not see the connection.
func (c *Conn) entered() {
	if n := c.parser.held(); n != 0 {
		c.io.Charge(n)
	}
	flags := c.flags.Load()
	if flags&flagHeld == 0 {
		c.io.Resume()
	}
	switch d := c.endpoint.interval(); {
	case flags&flagClosed != 0:
		c.Close(NoStatusReceived, "") // does nothing if a close frame was sent
	case c.endpoint.server.closing():
		c.goodbye()
	case flags&flagPinged == 0 && d > 0:
		c.hasten(d) // the other server may not have pinged, or less often
	}
}
