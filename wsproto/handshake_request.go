package wsproto

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/base64"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// Path returns the path of the URI, decoded.
func (r *Request) Path() string { return r.path }

// Query returns the parameters of the URI.
func (r *Request) Query() url.Values {
	v, _ := url.ParseQuery(r.query) // ignores what is not well-formed
	return v
}

// Subprotocols returns the client's offers, in the order of its preference.
func (r *Request) Subprotocols() []string {
	var all []string
	for v := range r.Header.values("Sec-WebSocket-Protocol") {
		for p := range strings.SplitSeq(string(v), ",") {
			if p = strings.TrimSpace(p); p != "" {
				all = append(all, p)
			}
		}
	}
	return all
}

// Context returns the context of the net/http request with which the connection came, or the
// background context.
func (r *Request) Context() context.Context {
	if r.ctx != nil {
		return r.ctx
	}
	return context.Background()
}

// PathValue returns the value that http.ServeMux matched for name, if the connection came
// through net/http.
func (r *Request) PathValue(name string) string {
	if r.http != nil {
		return r.http.PathValue(name)
	}
	return ""
}

// source is where a handshake comes from. To ask the kernel costs system calls, and a handshake needs the answer several times.
type source struct {
	remote       netip.AddrPort
	peer, client netip.Addr // as Proxies knows them
}

// noteSource asks once. It is called before AcceptAsync, so that any goroutine may read the answer.
func (r *Request) noteSource(s *source) {
	s.remote = r.RemoteAddr()
	s.peer = r.peerAt(s.remote)
	s.client = r.clientAt(s.peer)
	r.from = s
}

// RemoteAddr returns the address that the connection comes from: the client's, or that of the
// proxy in front (see ClientAddr).
func (r *Request) RemoteAddr() netip.AddrPort {
	if r.from != nil {
		return r.from.remote
	}
	if r.conn == nil {
		ap, _ := netip.ParseAddrPort(r.http.RemoteAddr)
		return ap
	}
	return r.conn.RemoteAddr()
}

// LocalAddr returns the server's address of the connection.
func (r *Request) LocalAddr() netip.AddrPort {
	if r.conn != nil {
		return r.conn.LocalAddr()
	}
	a, _ := r.http.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if a == nil {
		return netip.AddrPort{}
	}
	ap, _ := netip.ParseAddrPort(a.String())
	return ap
}

// peer returns the address of RemoteAddr, as Proxies knows it.
func (r *Request) peer() netip.Addr {
	if r.from != nil {
		return r.from.peer
	}
	return r.peerAt(r.RemoteAddr())
}

func (r *Request) peerAt(remote netip.AddrPort) netip.Addr {
	a := remote.Addr()
	if !a.IsValid() && r.isUnix() {
		return unixPeer
	}
	return a
}

// isUnix reports whether the request came over a Unix socket.
func (r *Request) isUnix() bool {
	if r.conn != nil {
		return r.conn.io.IsUnix()
	}
	return isUnix(r.http)
}

// Trusted reports whether the request comes from a proxy of Server.Proxies, so that its header
// fields are the proxy's.
func (r *Request) Trusted() bool { return r.proxies().Trust(r.peer()) }

// ClientAddr returns the client's address according to a proxy of Server.Proxies, or else the
// address that the connection comes from. It is not valid for a client of a Unix socket.
func (r *Request) ClientAddr() netip.Addr { return clientOf(r.client()) }

// client returns the address of ClientAddr, as Proxies knows it.
func (r *Request) client() netip.Addr {
	if r.from != nil {
		return r.from.client
	}
	return r.clientAt(r.peer())
}

func (r *Request) clientAt(peer netip.Addr) netip.Addr {
	return r.proxies().ClientAddr(peer, r.Header.Values)
}

// Secure reports whether the client uses TLS: according to a proxy of Server.Proxies, or else
// to this server.
func (r *Request) Secure() bool {
	if scheme := r.forwardedScheme(); scheme != "" {
		return scheme == "https"
	}
	return r.TLS() != nil
}

// Host returns the host that the client asked for, with its port if it has one: according to
// a proxy of Server.Proxies, or else the request's Host field.
func (r *Request) Host() string {
	if p := r.proxies(); len(p) > 0 {
		if h := p.Host(r.peer(), r.Header.Values); h != "" {
			return h
		}
	}
	return r.Header.Get("Host")
}

func (r *Request) forwardedScheme() string {
	if p := r.proxies(); len(p) > 0 { // RemoteAddr is a system call
		return p.Scheme(r.peer(), r.Header.Values)
	}
	return ""
}

// proxies returns the proxies that are trusted if the request comes from them; none for a client,
// and none if a preamble has told the address.
func (r *Request) proxies() Proxies {
	switch {
	case r.server == nil || len(r.server.Proxies) == 0:
		return nil
	case r.conn == nil:
		return r.server.Proxies.of(r.http)
	case r.conn.io.IsTold():
		return nil
	}
	return r.server.Proxies
}

// requestOf returns r as CheckOrigin sees a handshake.
func (s *Server) requestOf(r *http.Request) *Request {
	all := &Request{URI: r.RequestURI, server: s, http: r, ctx: r.Context(), path: r.URL.Path, query: r.URL.RawQuery}
	all.Header.add("Host", r.Host)
	for name, values := range r.Header {
		all.Header.add(name, values...)
	}
	return all
}

// parse parses head, a whole request header with its empty line. It does not check what
// ws.Upgrader checks. It refuses what ws.Upgrader would let pass, but reads on after the
// first fault, since a later line may say whether the request is a handshake at all.
func (r *Request) parse(head []byte) (refusal *Refusal) {
	r.head, r.Header.fields = head, r.Header.fields[:0]
	line, rest, refusal := cutLine(head)
	_, line, _ = bytes.Cut(line, space)
	if uri, version, ok := bytes.Cut(line, space); ok && !bytes.Contains(version, space) {
		r.URI = string(uri)
	}
	for {
		var fault *Refusal
		line, rest, fault = cutLine(rest)
		refusal = cmp.Or(refusal, fault)
		if len(line) == 0 {
			return refusal
		}
		f, fault := parseField(line)
		switch refusal = cmp.Or(refusal, fault); {
		case fault != nil:
		case len(r.Header.fields) == maxFields:
			return errTooManyFields
		default:
			r.Header.fields = append(r.Header.fields, f)
		}
	}
}

// appendCore appends what ws.Upgrader is to read, and returns its size: the request line and only the fields that it
// checks, as slices of the header, so nothing is copied before it reads. ws.Upgrader
// expects one Upgrade field with a single value and one Connection field, but both are lists
// (RFC 9110, 7.6.1 and 7.8).
func (r *Request) appendCore(parts [][]byte) (all [][]byte, size int) {
	line := r.head[:bytes.IndexByte(r.head, '\n')+1]
	parts = append(parts, line)
	for _, f := range r.Header.fields {
		if f.is("Host") || f.is("Sec-WebSocket-Key") || f.is("Sec-WebSocket-Version") {
			parts = append(parts, f.name, colon, f.value, crlf)
		}
	}
	if r.Header.lists("Upgrade", "websocket") {
		parts = append(parts, upgradeLine)
	}
	if r.Header.lists("Connection", "upgrade") {
		parts = append(parts, connectionLine)
	}
	parts = append(parts, crlf)
	for _, p := range parts {
		size += len(p)
	}
	return parts, size
}

var (
	colon          = []byte(":")
	upgradeLine    = []byte("Upgrade: websocket\r\n")
	connectionLine = []byte("Connection: Upgrade\r\n")
)

// moveTo makes the fields point into head, which has the same bytes as the header that was parsed. All of them are slices
// of that, so their capacity says where they begin.
func (r *Request) moveTo(head []byte) {
	move := func(p []byte) []byte {
		if len(p) == 0 {
			return nil
		}
		at := cap(r.head) - cap(p)
		return head[at : at+len(p)]
	}
	for i, f := range r.Header.fields {
		r.Header.fields[i] = field{move(f.name), move(f.value)}
	}
	r.head = head
}

// singleFields are the fields that a handshake may have only once.
var singleFields = [...]string{"Host", "Origin", "Sec-WebSocket-Key", "Sec-WebSocket-Version", "Content-Length", "Transfer-Encoding"}

// repeated returns the name of a field that a handshake may have only once, but has more often, or "".
func (h Header) repeated() string {
	var seen [len(singleFields)]bool
	for _, f := range h.fields {
		for i, name := range singleFields {
			if !f.is(name) {
				continue
			}
			if seen[i] {
				return name
			}
			seen[i] = true
		}
	}
	return ""
}

// check refuses what ws.Upgrader would let pass.
func (r *Request) check() *Refusal {
	if name := r.Header.repeated(); name != "" {
		return errRepeated(name)
	}
	if l := r.Header.Get("Content-Length"); l != "" && l != "0" || r.Header.Get("Transfer-Encoding") != "" {
		return Refuse(http.StatusBadRequest, "a WebSocket handshake has no body")
	}
	if k := r.Header.Get("Sec-WebSocket-Key"); k != "" {
		if nonce, err := base64.StdEncoding.DecodeString(k); err != nil || len(nonce) != 16 {
			return Refuse(http.StatusBadRequest, "Sec-WebSocket-Key is not 16 bytes in base64 (RFC 6455, 4.1)")
		}
	}
	return r.parseURI()
}

func errRepeated(name string) *Refusal {
	return Refuse(http.StatusBadRequest, "the header field "+name+" occurs more than once")
}

// checkFraming refuses a request that is not a handshake and whose body two servers may see
// end at different places (RFC 9112, 5.2 and 6.1). For these the reading of net/http counts:
// it joins folded lines, and takes a bare line feed for the end of a line. fault is what
// parse found, if anything.
func (r *Request) checkFraming(fault *Refusal) *Refusal {
	length, encoding := r.Header.has("Content-Length"), r.Header.has("Transfer-Encoding")
	switch {
	case fault == errTooManyFields: // the rest of the header was not looked at
		return fault
	case isFolded(r.head):
		return errFolded
	case length && encoding:
		return Refuse(http.StatusBadRequest, "the request has both Content-Length and Transfer-Encoding")
	case length || encoding:
		return fault
	}
	return nil
}

// parseURI splits the URI. Nearly all are plain, and cost nothing here.
func (r *Request) parseURI() *Refusal {
	if isPlain(r.URI) {
		r.path, r.query, _ = strings.Cut(r.URI, "?")
		return nil
	}
	u, err := url.ParseRequestURI(r.URI)
	if err != nil {
		return Refuse(http.StatusBadRequest, "the request line has no valid URI")
	}
	r.path, r.query = u.Path, u.RawQuery
	return nil
}

// isPlain reports whether uri is a path, with or without a query, without escaped characters.
func isPlain(uri string) bool {
	for i := range len(uri) {
		switch b := uri[i]; {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '/' <= b && b <= '9':
		case strings.IndexByte("?-._~=&:@", b) >= 0:
		default:
			return false
		}
	}
	return strings.HasPrefix(uri, "/") && !strings.HasPrefix(uri, "//")
}

// isUpgrade reports whether the request is meant as a WebSocket handshake.
func (r *Request) isUpgrade() bool {
	return r.Header.lists("Upgrade", "websocket") || r.Header.Get("Sec-WebSocket-Key") != ""
}

// TLS returns the state of the connection's TLS, or nil if it has none, or none that ends
// here.
func (r *Request) TLS() *tls.ConnectionState {
	if r.conn != nil {
		if s := r.conn.io.TLS(); s != nil || r.http == nil {
			return s
		}
	}
	return r.http.TLS
}
