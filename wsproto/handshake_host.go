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

// CheckHost returns why a request of net/http is refused for the host that it asks for,
// or nil: see Server.Hosts. The server does it by itself for handshakes, and for requests
// that HTTP gets; it is for handlers beside a Server that is mounted in another
// net/http server.
func (s *Server) CheckHost(r *http.Request) *Refusal {
	if r.TLS != nil || isOwnName(hostName(r.Host)) { // nearly all
		return nil
	}
	return s.refuseHost(s.requestOf(r))
}

// refuseHost returns why a request is refused for the host that it asks for, or nil.
func (s *Server) refuseHost(r *Request) *Refusal {
	if s.knowsHost(r) {
		return nil
	}
	host := r.Header.Get("Host")
	s.foreignHosts.warn(s.logger(), "a request for a name that is not known to be the server's was refused", "host", host, "origin", r.Header.Get("Origin"),
		"client", r.ClientAddr(), "allow", "name it in -hosts, or in Server.Hosts")
	return Refuse(http.StatusMisdirectedRequest,
		fmt.Sprintf("%s is not known to be a name of this server, which is on a private address: if it is, the server must be told so (-hosts)", host))
}

// knowsHost reports whether no page of a stranger can have made its name point here.
// With TLS the certificate would not have that name, and at a public address the
// stranger may as well connect directly.
func (s *Server) knowsHost(r *Request) bool {
	host := r.Header.Get("Host")
	name := hostName(host)
	return isOwnName(name) || s.hasName(name) || r.TLS() != nil || !isPrivate(r.LocalAddr().Addr()) || showsProxy(host, r.Header.Get("Origin"))
}

// hasName reports whether name is one of Hosts, or of Origins: a page that may connect
// anyway need not point its name here.
func (s *Server) hasName(name string) bool {
	return slices.ContainsFunc(s.Hosts, func(h string) bool { return matchName(hostName(h), name) }) ||
		slices.ContainsFunc(s.Origins, func(o string) bool {
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

// isPrivate reports whether a is an address that strangers cannot reach from everywhere;
// so is one that is not known.
func isPrivate(a netip.Addr) bool {
	a = plainAddr(a)
	return !a.IsValid() || a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast() || a.IsUnspecified()
}

// showsProxy reports whether a request on a plain connection must have come through a
// proxy that ended TLS, or that writes Host anew, and so not straight from a browser. A
// browser names no port 80 to a plain server, but it does name 443, for a page of
// http://evil.example:443 for example. So that proves nothing, unless the page is one of
// https: then the connection would have to use TLS. Without an Origin it proves nothing
// either, as a page sends none with a GET to its own host.
func showsProxy(host, origin string) bool {
	u, err := url.Parse(origin)
	secure := err == nil && u.Scheme == "https"
	_, port, _ := net.SplitHostPort(host)
	return port == "80" || secure && (port == "443" || hostName(u.Host) == hostName(host))
}

// unregistrable are domains below which nobody can have a name that is seen everywhere
// (RFC 6761, 6762, 8375, and ICANN's resolutions on .internal; .lan is no top-level
// domain, and what routers use).
var unregistrable = []string{".localhost", ".local", ".internal", ".lan", ".home.arpa", ".test"}

// isOwnName reports whether name, in lower case, is one that a stranger cannot own.
func isOwnName(name string) bool {
	if !strings.Contains(name, ".") || name == machine() {
		return true // also an IPv6 address, and none
	}
	if slices.ContainsFunc(unregistrable, func(suffix string) bool { return strings.HasSuffix(name, suffix) }) {
		return true
	}
	_, err := netip.ParseAddr(name)
	return err == nil
}

// machine returns the machine's own name.
var machine = sync.OnceValue(func() string {
	name, _ := os.Hostname()
	return strings.TrimSuffix(strings.ToLower(name), ".")
})
