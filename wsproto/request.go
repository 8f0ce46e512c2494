package wsproto

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// Request is the opening handshake of a connection, as Server.Accept and
// Handler.OnOpen see it. It is valid during the call. Accept may set the fields,
// which say how to answer.
type Request struct {
	// URI is the request target, as it was sent.
	URI string

	// Handler gets the connection, Server.Handler if Accept leaves it nil.
	Handler Handler
	// Subprotocol is the one of the client's offers (see Subprotocols) that is
	// agreed on; none if empty.
	Subprotocol string
	// Header is added to the answer.
	Header http.Header

	head   []byte // the request's header, to its empty line
	fields []field
	conn   *Conn
	ctx    context.Context
	http   *http.Request // as it came through net/http, or nil
}

// field is one line of the header; both slices point into it.
type field struct {
	name, value []byte
}

// Path returns the path of the URI, decoded.
func (r *Request) Path() string {
	p, _, _ := strings.Cut(r.URI, "?")
	if u, err := url.PathUnescape(p); err == nil {
		return u
	}
	return p
}

// Query returns the parameters of the URI.
func (r *Request) Query() url.Values {
	_, q, _ := strings.Cut(r.URI, "?")
	v, _ := url.ParseQuery(q)
	return v
}

// Get returns the value of the first field of that name, or "". Names are
// compared without regard to case.
func (r *Request) Get(name string) string {
	for _, f := range r.fields {
		if len(f.name) == len(name) && strings.EqualFold(string(f.name), name) {
			return string(f.value)
		}
	}
	return ""
}

// Headers returns a copy of all fields.
func (r *Request) Headers() http.Header {
	h := make(http.Header, len(r.fields))
	for _, f := range r.fields {
		h.Add(string(f.name), string(f.value))
	}
	return h
}

// Subprotocols returns what the client offers, in the order of its preference.
func (r *Request) Subprotocols() []string {
	var all []string
	for _, f := range r.fields {
		if strings.EqualFold(string(f.name), "Sec-WebSocket-Protocol") {
			for p := range strings.SplitSeq(string(f.value), ",") {
				all = append(all, strings.TrimSpace(p))
			}
		}
	}
	return all
}

// Context returns the context of the net/http request that the connection came
// with, or the background context.
func (r *Request) Context() context.Context {
	if r.ctx != nil {
		return r.ctx
	}
	return context.Background()
}

// PathValue returns what http.ServeMux matched for name, if the connection came
// through net/http.
func (r *Request) PathValue(name string) string {
	if r.http != nil {
		return r.http.PathValue(name)
	}
	return ""
}

// RemoteAddr returns the client's address.
func (r *Request) RemoteAddr() netip.AddrPort { return r.conn.RemoteAddr() }

// Refusal is an error of Server.Accept that says how the handshake is refused.
type Refusal struct {
	Status int // of HTTP
	Reason string
	Header http.Header // added to the answer
}

func (e *Refusal) Error() string {
	return fmt.Sprintf("wsproto: handshake refused with %d: %s", e.Status, e.Reason)
}

// Refuse returns a [Refusal].
func Refuse(status int, reason string) *Refusal {
	return &Refusal{Status: status, Reason: reason}
}

var crlf = []byte("\r\n")

// parse takes head, a whole request header with its empty line, apart. It does
// not judge what is for ws.Upgrader to judge; it refuses what that lets pass.
func (r *Request) parse(head []byte) *Refusal {
	r.head, r.fields = head, r.fields[:0]
	line, rest, _ := bytes.Cut(head, crlf)
	if parts := bytes.Split(line, []byte{' '}); len(parts) == 3 {
		r.URI = string(parts[1])
	}
	for {
		line, rest, _ = bytes.Cut(rest, crlf)
		if len(line) == 0 {
			return nil
		}
		if line[0] == ' ' || line[0] == '\t' {
			return Refuse(http.StatusBadRequest, "a header field is folded over two lines, which RFC 9112, 5.2 forbids")
		}
		name, value, ok := bytes.Cut(line, []byte{':'})
		if !ok || !isToken(name) {
			return Refuse(http.StatusBadRequest, fmt.Sprintf("the header line %.60q has no valid name before a colon (RFC 9112, 5.1)", line))
		}
		if bytes.ContainsAny(value, "\r\n\x00") {
			return Refuse(http.StatusBadRequest, fmt.Sprintf("the header field %s contains a bare line break or NUL (RFC 9110, 5.5)", name))
		}
		r.fields = append(r.fields, field{name, bytes.Trim(value, " \t")})
	}
}

// once are the fields that a handshake may have only once.
var once = [...]string{"Host", "Upgrade", "Sec-WebSocket-Key", "Sec-WebSocket-Version", "Content-Length", "Transfer-Encoding"}

// check refuses what ws.Upgrader lets pass.
func (r *Request) check() *Refusal {
	for _, name := range once {
		n := 0
		for _, f := range r.fields {
			if strings.EqualFold(string(f.name), name) {
				n++
			}
		}
		if n > 1 {
			return Refuse(http.StatusBadRequest, "the header field "+name+" occurs more than once")
		}
	}
	if l := r.Get("Content-Length"); l != "" && l != "0" || r.Get("Transfer-Encoding") != "" {
		return Refuse(http.StatusBadRequest, "a WebSocket handshake has no body")
	}
	return nil
}

// isUpgrade reports whether the request is meant as a WebSocket handshake.
func (r *Request) isUpgrade() bool {
	return hasToken(r.Get("Upgrade"), "websocket") || r.Get("Sec-WebSocket-Key") != ""
}

func hasToken(list, token string) bool {
	for t := range strings.SplitSeq(list, ",") {
		if strings.EqualFold(strings.TrimSpace(t), token) {
			return true
		}
	}
	return false
}

// isToken reports whether p is a token (RFC 9110, 5.6.2).
func isToken(p []byte) bool {
	for _, b := range p {
		switch {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9':
		case strings.IndexByte("!#$%&'*+-.^_`|~", b) >= 0:
		default:
			return false
		}
	}
	return len(p) > 0
}

// sameOrigin is the default of Server.CheckOrigin: a browser says in Origin which
// page a connection comes from, and only pages of this host may connect. Clients
// that are no browsers send no Origin.
func sameOrigin(r *Request) bool {
	origin := r.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && strings.EqualFold(u.Host, r.Get("Host"))
}
