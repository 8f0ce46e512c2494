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

// AllowsOrigin reports whether a page of the request's Origin may use the server. It applies
// the rules for handshakes to a request of net/http, of this server's HTTP or of another
// server, and logs a refusal. A request without Origin does not come from a page of another
// host, unless it is a plain navigation.
func (s *Server) AllowsOrigin(r *http.Request) bool { return s.refuseOrigin(s.requestOf(r)) == nil }

// refuseOrigin returns why the page may not make the request, or nil.
func (s *Server) refuseOrigin(r *Request) *Refusal {
	check := s.CheckOrigin
	if check == nil {
		check = s.defaultOrigin
	}
	if check(r) {
		return nil
	}
	origin, allow, reason := r.Header.Get("Origin"), "name its host in -origins, or in Server.Origins", "pages from %s may not connect to %s unless their host is configured (-origins)"
	if origin == "null" { // which validateHosts refuses
		allow = "serve the page over http; only -origins '*', or \"*\" in Server.Origins, admits pages from files and sandboxes"
		reason = "pages from files and sandboxes (origin %s) may not connect to %s: serve the page over http"
	}
	s.foreignOrigins.warn(s.logger(), "refused a page from another origin", "origin", origin, "host", r.Host(), "client", r.ClientAddr(), "allow", allow)
	return &Refusal{Status: http.StatusForbidden, logged: true, Reason: fmt.Sprintf(reason, origin, r.Host())}
}

// defaultOrigin is the default of Server.CheckOrigin.
func (s *Server) defaultOrigin(r *Request) bool {
	if r.SameOrigin() {
		return true
	}
	u, err := url.Parse(r.Header.Get("Origin"))
	origins := s.limitsInForce().Origins
	if err != nil || u.Host == "" {
		return slices.Contains(origins, "*")
	}
	return slices.ContainsFunc(origins, func(pattern string) bool { return matchOrigin(pattern, u) })
}

// SameOrigin reports whether the handshake comes from a page of the host that it asks for, or
// from no page. A browser sends the page's Origin; other clients send none. Between loopback
// names the port does not matter.
func (r *Request) SameOrigin() bool {
	origin := r.Header.Get("Origin")
	return origin == "" || originIsHost(origin, r.Host(), r.scheme())
}

// scheme returns the scheme that the client used. It is "" for a plain connection, since an
// unknown proxy in front may have terminated TLS.
func (r *Request) scheme() string {
	if s := r.forwardedScheme(); s != "" || r.TLS() == nil {
		return s
	}
	return "https"
}

// matchOrigin reports whether pattern, an entry of Server.Origins, allows pages of u.
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

// matchName reports whether name is pattern, or below it if pattern is *.example.org.
func matchName(pattern, name string) bool {
	if suffix, ok := strings.CutPrefix(pattern, "*"); ok {
		return strings.HasPrefix(suffix, ".") && strings.HasSuffix(name, suffix)
	}
	return pattern == name
}

// ValidateOrigin reports what is wrong with an entry of [Server.Origins].
func ValidateOrigin(origin string) error {
	if origin == "null" {
		return fmt.Errorf("wsproto: %q is the origin of pages from files and sandboxes: serve the page over http, or allow all with *", origin)
	}
	_, host, ok := strings.Cut(origin, "://")
	if !ok {
		host = origin
	}
	if !isHost(host) {
		return fmt.Errorf("wsproto: %q is not a host such as example.org, *.example.org or example.org:8443", origin)
	}
	return nil
}

// ValidateHost reports what is wrong with an entry of [Server.Hosts].
func ValidateHost(name string) error {
	const examples = "such as example.org or *.example.org"
	if !isHost(name) {
		return fmt.Errorf("wsproto: %q is not a host %s", name, examples)
	}
	if bare, port := splitHost(name, ""); port != "" {
		return fmt.Errorf("wsproto: %q has a port; it must be a name without one, such as %s", name, bare)
	}
	return nil
}

// isHost reports whether s may be a host, with a port or without.
func isHost(s string) bool { return s != "" && !strings.ContainsAny(s, "/ ,?#@") }

// validateHosts reports an entry of Server.Origins or Server.Hosts that cannot be right.
func validateHosts(field string, entries []string, validate func(string) error) error {
	for _, entry := range entries {
		if err := validate(entry); err != nil {
			return fmt.Errorf("wsproto: Server.%s: %s", field, strings.TrimPrefix(err.Error(), "wsproto: "))
		}
	}
	return nil
}

// originIsHost reports whether a page of origin may connect to host by default. scheme
// implies the port if host has none; if scheme is "" it is taken to be that of the page.
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

// splitHost splits host:port. The name is in lower case, without brackets and without the
// final dot of a fully qualified name. If there is no port it is that of the scheme.
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

// isLoopbackName reports whether name means this machine wherever it is resolved (RFC 6761,
// 6.3).
func isLoopbackName(name string) bool {
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	a, err := netip.ParseAddr(name)
	return err == nil && a.Unmap().IsLoopback()
}
