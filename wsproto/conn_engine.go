package wsproto

import (
	"errors"
	"net/http"
	"time"

	"github.com/gobwas/ws"

	"github.com/fanfare-ws/fanfare/netpoll"
)

func (h *handle) Conn() *netpoll.Conn { return &h.io }

func (h *handle) OnOpen() {
	c := (*Conn)(h)
	if c.flags.Load()&flagOpen != 0 {
		c.entered()
		return
	}
	if c.endpoint.state.ClientSide() {
		c.startDial()
	}
}

// FirstDeadline implements netpoll.Patient: a server's handshake begins with the client's request.
func (h *handle) FirstDeadline() time.Duration {
	c := (*Conn)(h)
	if c.endpoint.state.ClientSide() || c.flags.Load()&flagOpen != 0 {
		return 0
	}
	return c.endpoint.server.HandshakeTimeout
}

func (h *handle) OnData(data []byte) (used int) {
	c := (*Conn)(h)
	flags := c.flags.Load()
	if flags&flagOpen == 0 {
		used = c.handshake(data)
		if flags = c.flags.Load(); flags&(flagOpen|flagHeld) != flagOpen || used == len(data) {
			return used
		}
	}
	state := c.endpoint.state
	if flags&flagDeflate != 0 {
		state = state.Set(ws.StateExtended)
	}
	c.endpoint.readClock.read()
	n, err := c.parser.feed(data[used:], state, c.limits(flags), (*frameSink)(c))
	if n < len(data)-used || c.parser.part != nil || c.mark != 0 {
		c.unfinished(n > 0, n < len(data)-used)
	}
	if flags&flagPinged != 0 && n > 0 { // only what the parser has taken is a sign of life
		c.heard()
	}
	c.readEnd(flags, err)
	return used + n
}

// readEnd is called when the parser has been given everything that was read.
func (c *Conn) readEnd(flags uint32, err error) {
	if flags&flagReadEnd != 0 {
		c.handler.(ReadHandler).OnReadEnd(c)
	}
	if err != nil {
		c.violated(err)
	}
}

// Fill has the rest of a large message read to where the message is collected.
func (h *handle) Fill() []byte {
	c := (*Conn)(h)
	if c.flags.Load()&(flagOpen|flagPinged) != flagOpen { // OnData must look first
		return nil
	}
	had := c.parser.held()
	p := c.parser.room()
	if n := c.parser.held() - had; n != 0 {
		c.io.Charge(n)
	}
	return p
}

func (h *handle) Filled(n int) {
	c := (*Conn)(h)
	err := c.parser.filled(n, (*frameSink)(c))
	if c.parser.part != nil {
		c.unfinished(true, false)
	}
	c.readEnd(c.flags.Load(), err)
}

func (h *handle) OnDeadline() {
	c := (*Conn)(h)
	switch flags := c.flags.Load(); {
	case flags&flagClosed != 0 && c.stillTakes():
		c.io.SetDeadline(c.endpoint.closeTimeout)
	case flags&flagClosed != 0:
		c.flags.Or(flagLate)
		c.io.Close(ErrCloseTimeout)
	case flags&flagOpen == 0:
		c.handshakeTimedOut()
	default:
		c.deadline()
	}
}

func (h *handle) OnPanic(any) {
	c := (*Conn)(h)
	if c.flags.Load()&flagOpen == 0 {
		if a := c.asked(); a != nil {
			a.fail(netpoll.ErrPanic)
		}
		c.endpoint.server.counters.refuseUpgrade(http.StatusInternalServerError)
		c.refuse(Refuse(http.StatusInternalServerError, "the handler failed"), false, netpoll.ErrPanic)
		return
	}
	c.fail(InternalError, "the handler failed", netpoll.ErrPanic)
}

func (h *handle) OnClose(err error) {
	c := (*Conn)(h)
	if c.endpoint.shared {
		defer clientEngine.release()
	}
	c.parser.drop()
	if s := c.endpoint.server; s != nil {
		s.clients.remove(c)
		if s.engine.Limits().MaxConns > 0 {
			s.silent.ended()
		}
	}
	if c.flags.Load()&flagOpen != 0 {
		c.ended(err)
	} else if a := c.asked(); a != nil && !a.end(err) { // the program expects OnOpen and OnClose
		defer c.ended(err)
		c.concludeAsked(a)
	} else {
		c.handshakeFailed(err)
	}
}

// ended is called at the end of a connection that was open, or that the program had to decide
// about for too long.
func (c *Conn) ended(err error) {
	if c.flags.Or(flagHeard)&flagOpen == 0 {
		return
	}
	var ce *CloseError
	if !errors.As(err, &ce) {
		ce = &CloseError{Code: AbnormalClosure, Err: err}
	}
	if c.flags.Load()&flagLate != 0 && ce.Err == nil {
		ce.Err = ErrCloseTimeout // the engine keeps the first error only
	}
	if s := c.endpoint.server; s != nil {
		s.counters.close(ce)
		c.endDrain()
	}
	if s := c.streaming(); s != nil && s.closed(ce) {
		return // done calls OnClose when OnStream has returned
	}
	c.handler.OnClose(c, ce)
}
