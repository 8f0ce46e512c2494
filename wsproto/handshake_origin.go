package wsproto

import (
	"fmt"
	"net/http"
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
	s.foreignOrigins.Warn(s.logger(), "refused a page from another origin", "origin", origin, "host", r.Host(), "client", r.ClientAddr(), "allow", allow)
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

// NamesOrigin reports whether the request comes from a page of the server's own host, from one that
// Server.Origins names, or from no page. A page that only "*" admits is not named: a program should
// not take cookies, or what a proxy makes of them, for its wishes.
func (r *Request) NamesOrigin() bool {
	return r.SameOrigin() || r.server != nil && r.server.namesOrigin(r)
}

// NamesOrigin is [Request.NamesOrigin] for a request of net/http.
func (s *Server) NamesOrigin(r *http.Request) bool { return s.requestOf(r).NamesOrigin() }

func (s *Server) namesOrigin(r *Request) bool {
	u, err := url.Parse(r.Header.Get("Origin"))
	return err == nil && u.Host != "" && slices.ContainsFunc(s.limitsInForce().Origins, func(pattern string) bool {
		return pattern != "*" && matchOrigin(pattern, u)
	})
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

// CheckHost returns why a request of net/http is refused because of the host that it asks
// for, or nil: see Server.Hosts. The server itself checks handshakes, and requests for HTTP.
// CheckHost is for handlers beside a Server that is mounted in another net/http server.
func (s *Server) CheckHost(r *http.Request) *Refusal {
	if r.TLS != nil || isOwnName(hostName(r.Host)) { // true for nearly all requests
		return nil
	}
	return s.refuseHost(s.requestOf(r))
}

// refuseHost returns why a request is refused because of the host that it asks for, or nil.
func (s *Server) refuseHost(r *Request) *Refusal {
	if s.knowsHost(r) {
		return nil
	}
	host := r.Header.Get("Host")
	s.foreignHosts.Warn(s.logger(), "refused a request for a host that is not a known name of the server", "host", host, "origin", r.Header.Get("Origin"),
		"client", r.ClientAddr(), "allow", "name it in -hosts, or in Server.Hosts")
	return &Refusal{Status: http.StatusMisdirectedRequest, logged: true,
		Reason: fmt.Sprintf("%s is not a known name of this server, which has a private address; if it is one, it must be configured (-hosts)", host)}
}

// knowsHost reports whether no attacker's page can have made its own name resolve to this
// server. With TLS the certificate would not have that name, and at a public address the
// attacker may as well connect directly. No browser connects to a Unix socket.
func (s *Server) knowsHost(r *Request) bool {
	host := r.Header.Get("Host")
	name := hostName(host)
	return isOwnName(name) || s.hasName(name) || r.TLS() != nil || !isPrivate(r.LocalAddr().Addr()) || showsProxy(host, r.Header.Get("Origin")) || r.isUnix()
}

// hasName reports whether name is in Hosts or Origins. A page that may connect anyway has no
// reason to make its name resolve to this server.
func (s *Server) hasName(name string) bool {
	l := s.limitsInForce()
	return slices.ContainsFunc(l.Hosts, func(h string) bool { return matchName(hostName(h), name) }) ||
		slices.ContainsFunc(l.Origins, func(o string) bool {
			if _, host, ok := strings.Cut(o, "://"); ok {
				o = host
			}
			return o == "*" || matchName(hostName(o), name)
		})
}
