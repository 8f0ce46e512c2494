package wsproto

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
)

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
	s.foreignHosts.warn(s.logger(), "refused a request for a host that is not a known name of the server", "host", host, "origin", r.Header.Get("Origin"),
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

func hostName(host string) string {
	name, _ := splitHost(host, "")
	return name
}

// isPrivate reports whether a is an address that cannot be reached from everywhere. An
// unknown address counts as private.
func isPrivate(a netip.Addr) bool {
	a = plainAddr(a)
	return !a.IsValid() || a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast() || a.IsUnspecified()
}

// showsProxy reports whether a request on a plain connection must have come through a proxy
// that terminated TLS or rewrote Host, and so not straight from a browser. A browser does not
// send port 80 to a plain server, but it does send 443, for a page of http://evil.example:443
// for example. So port 443 proves nothing, unless the page uses https: then the connection
// would have to use TLS. Without an Origin it proves nothing either, since a page sends none
// with a GET to its own host.
func showsProxy(host, origin string) bool {
	u, err := url.Parse(origin)
	secure := err == nil && u.Scheme == "https"
	_, port, _ := net.SplitHostPort(host)
	return port == "80" || secure && (port == "443" || hostName(u.Host) == hostName(host))
}

// unregistrable are domains below which nobody can own a name that resolves everywhere (RFC
// 6761, 6762, 8375, and ICANN's resolutions on .internal; .lan is not a top-level domain, and
// routers use it).
var unregistrable = []string{".localhost", ".local", ".internal", ".lan", ".home.arpa", ".test"}

// isOwnName reports whether name, in lower case, is a name that an attacker cannot own.
func isOwnName(name string) bool {
	if !strings.Contains(name, ".") || name == machine() {
		return true // also for an IPv6 address and an empty name
	}
	if slices.ContainsFunc(unregistrable, func(suffix string) bool { return strings.HasSuffix(name, suffix) }) {
		return true
	}
	_, err := netip.ParseAddr(name)
	return err == nil
}

// machine returns the name of this machine.
var machine = sync.OnceValue(func() string {
	name, _ := os.Hostname()
	return strings.TrimSuffix(strings.ToLower(name), ".")
})
