package wsproto

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"slices"
)

// hijackedRequest is what a connection from net/http brings with it.
type hijackedRequest struct {
	request *http.Request
	head    []byte  // the header of request as it was on the wire
	fields  []field // slices of head; net/http has parsed the request, so it is not parsed again
	header  http.Header
	handler Handler
	err     error         // why the connection was not opened
	done    chan struct{} // closed when nothing refers to request any more
}

// encode sets head and fields. It returns why the request is refused, or nil: the handlers around
// Upgrade may have changed its header.
func (k *hijackedRequest) encode(s *Server) *Refusal {
	r := k.request
	line := r.Method + " " + r.RequestURI + " " + r.Proto + "\r\n"
	size := len(line) + len("Host: \r\n") + len(r.Host) + len(crlf)
	count := 1
	for name, values := range r.Header {
		for _, v := range values {
			size += len(name) + len(": \r\n") + len(v)
			count++
		}
	}
	switch {
	case size > s.MaxHeader:
		return s.tooLarge(netip.AddrPortFrom(peerOf(r), 0))
	case count > maxFields:
		return errTooManyFields
	}
	k.head, k.fields = append(make([]byte, 0, size), line...), make([]field, 0, count)
	var refusal *Refusal
	if r.Host != "" {
		refusal = k.add("Host", r.Host)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		for _, v := range r.Header[name] {
			if refusal == nil {
				refusal = k.add(name, v)
			}
		}
	}
	k.head = append(k.head, crlf...)
	return refusal
}

// add adds a field to head, which has room for it and so does not move, and to fields.
func (k *hijackedRequest) add(name, value string) *Refusal {
	k.head = append(append(append(append(k.head, name...), ": "...), value...), crlf...)
	end := len(k.head) - len(crlf)
	at := end - len(value)
	f := field{k.head[at-len(": ")-len(name):][:len(name)], k.head[at:end]}
	if !isToken(f.name) || slices.ContainsFunc(f.value, isControl) {
		return Refuse(http.StatusBadRequest, fmt.Sprintf("the header field %.60q is not valid (RFC 9110, 5.1 and 5.5)", name))
	}
	k.fields = append(k.fields, f)
	return nil
}

func (k *hijackedRequest) apply(r *Request) {
	r.http, r.ctx = k.request, context.WithoutCancel(k.request.Context())
	r.URI, r.head, r.Header.fields = k.request.RequestURI, k.head, append(r.Header.fields, k.fields...)
	r.Handler = k.handler
	if len(k.header) > 0 {
		r.ResponseHeader = k.header
	}
}

func (k *hijackedRequest) aborted(_ *Conn, err error) {
	k.err = err
	close(k.done)
}

// isHijacked reports whether the connection came from net/http, and its handshake has not begun.
func (c *Conn) isHijacked() bool {
	x := c.extra.Load()
	if x == nil {
		return false
	}
	_, ok := x.opening.(*hijackedRequest)
	return ok
}

// takeHijacked returns what came with the connection, once.
func (c *Conn) takeHijacked() *hijackedRequest {
	x := c.extra.Load()
	if x == nil {
		return nil
	}
	c.extra.Store(nil) // nothing else is in it yet
	k, _ := x.opening.(*hijackedRequest)
	return k
}
