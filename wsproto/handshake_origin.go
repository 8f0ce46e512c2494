package wsproto

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// AllowsOrigin reports whether a page of the request's Origin may use the server: it
// judges a request of net/http, of this server's HTTP or of another, as handshakes are
// judged, and logs a refusal. A request without Origin does not come from a page of
// another host, unless it is a plain navigation.
func (s *Server) AllowsOrigin(r *http.Request) bool { return s.refuseOrigin(s.requestOf(r)) == nil }

// refuseOrigin returns why the page that a request comes from may not make it, or nil.
func (s *Server) refuseOrigin(r *Request) *Refusal {
	check := s.CheckOrigin
	if check == nil {
		check = s.defaultOrigin
	}
	if check(r) {
		return nil
	}
	s.foreignOrigins.warn(s.logger(), "a page of another origin was refused", "origin", r.Header.Get("Origin"), "host", r.Host(), "client", r.ClientAddr(),
		"allow", "name its host in -origins, or in Server.Origins")
	return Refuse(http.StatusForbidden, fmt.Sprintf("pages of %s may not connect to %s, unless the server is told so (-origins)", r.Header.Get("Origin"), r.Host()))
}

// defaultOrigin is the default of Server.CheckOrigin.
func (s *Server) defaultOrigin(r *Request) bool {
	if r.SameOrigin() {
		return true
	}
	u, err := url.Parse(r.Header.Get("Origin"))
	if err != nil || u.Host == "" {
		return slices.Contains(s.Origins, "*")
	}
	return slices.ContainsFunc(s.Origins, func(pattern string) bool { return matchOrigin(pattern, u) })
}

// SameOrigin reports whether the handshake comes from a page of the host that it asks
// for, or from no page: a browser says in Origin which page a connection comes from;
// clients that are no browsers send none. Between loopback names the port does not
// matter.
func (r *Request) SameOrigin() bool {
	origin := r.Header.Get("Origin")
	return origin == "" || originIsHost(origin, r.Host(), r.scheme())
}

// SameOrigin is [Request.SameOrigin] for a request that net/http got, by the same rules.
func SameOrigin(r *http.Request, p Proxies) bool {
	return (&Server{Proxies: p}).requestOf(r).SameOrigin()
}

// scheme returns the one that the client used; "" for a plain connection, in front of
// which something that is not known may have ended TLS.
func (r *Request) scheme() string {
	if s := r.forwardedScheme(); s != "" || r.TLS() == nil {
		return s
	}
	return "https"
}

// matchOrigin reports whether pattern, an entry of Server.Origins, is for pages of u.
func matchOrigin(pattern string, u *url.URL) bool {
	scheme, host, ok := strings.Cut(pattern, "://")
	switch {
	case pattern == "*":
		return true
	case !ok:
		host = pattern
	case !strings.EqualFold(scheme, u.Scheme):
		return false
	}
	name, port := splitHost(host, u.Scheme)
	from, fromPort := splitHost(u.Host, u.Scheme)
	return port == fromPort && matchName(name, from)
}

// matchName reports whether name is pattern, or below it if that is *.example.org.
func matchName(pattern, name string) bool {
	if suffix, ok := strings.CutPrefix(pattern, "*"); ok {
		return strings.HasPrefix(suffix, ".") && strings.HasSuffix(name, suffix)
	}
	return pattern == name
}

// validateHosts reports an entry of Server.Origins or Server.Hosts that cannot be meant.
func validateHosts(field string, hosts []string) error {
	for _, h := range hosts {
		_, host, ok := strings.Cut(h, "://")
		if !ok {
			host = h
		}
		if h == "null" {
			return fmt.Errorf("wsproto: Server.%s has %q, which is the origin of pages from files and sandboxes: serve the page over http, or allow all with *", field, h)
		}
		if host == "" || strings.ContainsAny(host, "/ ,?#@") || ok && field == "Hosts" {
			return fmt.Errorf("wsproto: Server.%s has %q; it takes hosts, such as example.org, *.example.org or example.org:8443", field, h)
		}
	}
	return nil
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
