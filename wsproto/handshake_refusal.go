package wsproto

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"

	"github.com/gobwas/ws"
)

// refuse sends e, to a HEAD request without its body, and ends the connection with err.
func (c *Conn) refuse(e *Refusal, head bool, err error) {
	s := c.endpoint.server
	s.counters.refuse(e.Status)
	s.clients.remove(c)
	c.io.Write(nil, e.encode(head))
	c.io.Finish(err, c.endpoint.closeTimeout)
	if s.engine.Limits().MaxConns > 0 {
		c.flags.And(^flagHeard)
		s.silent.add(c)
	}
}

// tooLarge is the response to a header above MaxHeader.
func (s *Server) tooLarge(client netip.AddrPort) *Refusal {
	s.largeHeaders.Warn(s.logger(), "refused a request with a large header", "bytes", s.MaxHeader, "client", client,
		"allow", "raise -max-header, or Server.MaxHeader")
	return Refuse(http.StatusRequestHeaderFieldsTooLarge, fmt.Sprintf("the header is larger than %d bytes", s.MaxHeader))
}

// refuseFull returns why no WebSocket can be opened now, or nil.
func (s *Server) refuseFull() *Refusal {
	if !s.engine.Full() || s.makeRoom() {
		return nil
	}
	s.counters.limited.full.Add(1)
	s.fullUp.Warn(s.logger(), "the server is full and refuses handshakes", "connections", s.engine.Limits().MaxConns,
		"allow", "raise -max-conns, or Server.Engine.MaxConns")
	refusal := retryLater("the server is full")
	refusal.logged = true
	return refusal
}

// refuseClosing is the response while the server shuts down.
func (s *Server) refuseClosing() *Refusal {
	s.counters.limited.closing.Add(1)
	return retryLater("the server is shutting down")
}

// refusalOf returns an answer of Accept as a Refusal; nil if that is nil. The text of any other
// error is for the operator, not for the client.
func (s *Server) refusalOf(err error) *Refusal {
	if err == nil {
		return nil
	}
	var refusal *Refusal
	if errors.As(err, &refusal) {
		return refusal
	}
	s.logger().Warn("Accept refused a handshake with an error that is not a Refusal", "error", err)
	return Refuse(http.StatusInternalServerError, "the server refused the handshake")
}

// translate returns an error of ws.Upgrader as a Refusal.
func translate(err error) *Refusal {
	refusal := Refuse(http.StatusBadRequest, err.Error())
	var rejected *ws.ConnectionRejectedError
	if errors.As(err, &rejected) && rejected.StatusCode() != 0 {
		refusal.Status = rejected.StatusCode()
	}
	switch refusal.Status {
	case http.StatusMethodNotAllowed: // RFC 9110, 15.5.6
		refusal.Header = http.Header{"Allow": {http.MethodGet}}
	case http.StatusUpgradeRequired: // RFC 6455, 4.4
		refusal.Header = http.Header{"Sec-WebSocket-Version": {"13"}, "Upgrade": {"websocket"}, "Connection": {"Upgrade"}}
	}
	return refusal
}
