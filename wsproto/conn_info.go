package wsproto

import (
	"fmt"
	"net/netip"
	"reflect"
	"runtime"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// ConnInfo describes an open WebSocket at a moment.
type ConnInfo struct {
	netpoll.ConnInfo
	// Client is the client's address, or the IPv6 /64 that it belongs to, if Server.MaxConnsPerClient counts the connection.
	Client      netip.Addr `json:"client,omitzero"`
	Handler     string     `json:"handler"` // its type, the name of a function, or what a netpoll.Describer says
	Subprotocol string     `json:"subprotocol,omitempty"`
	Compressed  bool       `json:"compressed,omitempty"` // permessage-deflate was agreed on
}

// ID returns the name of the connection, by which Server.Find finds it; the zero ConnID after its end.
func (c *Conn) ID() netpoll.ConnID { return c.io.ID() }

// Handler returns the handler of the connection; nil before OnOpen is called.
func (c *Conn) Handler() Handler {
	if c.flags.Load()&flagOpen == 0 { // the turn may set it meanwhile
		return nil
	}
	return c.handler
}

// Info describes the connection, with a few system calls. ok is false before OnOpen is called and after the end.
func (c *Conn) Info() (info ConnInfo, ok bool) {
	h := c.Handler()
	if h == nil {
		return ConnInfo{}, false
	}
	if info.ConnInfo, ok = c.io.Info(); !ok {
		return ConnInfo{}, false
	}
	info.Handler, info.Subprotocol, info.Compressed = describe(h), c.Subprotocol(), c.flags.Load()&flagDeflate != 0
	if s := c.endpoint.server; s != nil {
		info.Client = s.clients.of(c)
	}
	return info, true
}

// Page returns up to limit of the server's WebSockets after a place in the list of all connections, and the place of the next page;
// the zero Cursor is the beginning, and the end. A WebSocket that is open all the time is on at least one page, and perhaps
// on two. A page may be short, since other connections are in that list, too.
func (s *Server) Page(after netpoll.Cursor, limit int) (page []*Conn, next netpoll.Cursor) {
	if s.begin() != nil {
		return nil, netpoll.Cursor{}
	}
	all, next := s.engine.Page(after, limit)
	for _, h := range all {
		if c := (*Conn)(h.(*handle)); c.Handler() != nil {
			page = append(page, c)
		}
	}
	return page, next
}

// Find returns the open WebSocket with that name; nil if there is none. It looks at all connections: see netpoll.Engine.Find.
func (s *Server) Find(id netpoll.ConnID) *Conn {
	if s.begin() != nil {
		return nil
	}
	if h, ok := s.engine.Find(id).(*handle); ok && (*Conn)(h).Handler() != nil {
		return (*Conn)(h)
	}
	return nil
}

// Describe implements netpoll.Describer, for the engine's log.
func (h *handle) Describe() string {
	c := (*Conn)(h)
	if handler := c.Handler(); handler != nil {
		return describe(handler)
	}
	return "a handshake"
}

// describe returns what h says that it is, the name of the function if it is a *Funcs, or its type.
func describe(h Handler) string {
	switch h := h.(type) {
	case netpoll.Describer:
		return h.Describe()
	case *Funcs:
		for _, f := range []any{h.Message, h.Stream, h.Open, h.Close} {
			if f := reflect.ValueOf(f); !f.IsNil() {
				return runtime.FuncForPC(f.Pointer()).Name()
			}
		}
	}
	return fmt.Sprintf("%T", h)
}
