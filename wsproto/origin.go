package wsproto

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// SameOrigin reports whether the handshake comes from a page of the host that it asks
// for, or from no page. It is the default of Server.CheckOrigin: a browser says in
// Origin which page a connection comes from; clients that are no browsers send none.
// Between loopback names the port does not matter.
func (r *Request) SameOrigin() bool {
	origin := r.Get("Origin")
	return origin == "" || originIsHost(origin, r.Host(), r.scheme())
}

// SameOrigin is [Request.SameOrigin] for a request that net/http got, by the same rules.
func SameOrigin(r *http.Request, p Proxies) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	scheme := p.Scheme(peerOf(r), r.Header.Values)
	if scheme == "" && r.TLS != nil {
		scheme = "https"
	}
	return originIsHost(origin, Host(r, p), scheme)
}

// scheme returns the one that the client used; "" for a plain connection, in front of
// which something that is not known may have ended TLS.
func (r *Request) scheme() string {
	if s := r.forwardedScheme(); s != "" || r.TLS() == nil {
		return s
	}
	return "https"
}

// originIsHost reports whether a page of origin may connect to host by default. scheme
// says which port host has if it names none; "" if that is not known, and the page's
// is as good as any.
func originIsHost(origin, host, scheme string) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		return false
	}
	if scheme == "" {
		scheme = u.Scheme
	}
	from, fromPort := splitHost(u.Host, u.Scheme)
	to, toPort := splitHost(host, scheme)
	return from == to && fromPort == toPort || isLoopbackName(from) && isLoopbackName(to)
}

// splitHost takes host:port apart. The name is in lower case, without brackets and
// without the dot of a name that is fully qualified; the port is the scheme's if there
// is none.
func splitHost(s, scheme string) (name, port string) {
	name, port, err := net.SplitHostPort(s)
	if err != nil {
		name = strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")
	}
	if port == "" {
		port = defaultPort(scheme)
	}
	return strings.TrimSuffix(strings.ToLower(name), "."), port
}

func defaultPort(scheme string) string {
	switch scheme {
	case "http", "ws":
		return "80"
	case "https", "wss":
		return "443"
	}
	return ""
}

// isLoopbackName reports whether name means this machine wherever it is looked up
// (RFC 6761, 6.3).
func isLoopbackName(name string) bool {
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	a, err := netip.ParseAddr(name)
	return err == nil && a.Unmap().IsLoopback()
}
