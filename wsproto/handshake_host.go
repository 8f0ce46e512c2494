package wsproto

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
)

// validateHosts reports an entry of Server.Origins or Server.Hosts that cannot be right.
func validateHosts(field string, entries []string, validate func(string) error) error {
	for _, entry := range entries {
		if err := validate(entry); err != nil {
			return fmt.Errorf("wsproto: Server.%s: %s", field, strings.TrimPrefix(err.Error(), "wsproto: "))
		}
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

// isHost reports whether s may be a host, with a port or without.
func isHost(s string) bool { return s != "" && !strings.ContainsAny(s, "/ ,?#@") }

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

func hostName(host string) string {
	name, _ := splitHost(host, "")
	return name
}

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

// machine returns the name of this machine.
var machine = sync.OnceValue(func() string {
	name, _ := os.Hostname()
	return strings.TrimSuffix(strings.ToLower(name), ".")
})
