package wsproto

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// Target is the address of a server after it has been looked up.
type Target struct {
	Addr   netip.AddrPort
	Others []netip.AddrPort // of the same host, tried in this order if Addr fails
	Host   string           // the Host field
	URI    string
	TLS    bool
	// Authorization is the handshake's Authorization field, with the user and the password of
	// the URL; "" for none.
	Authorization string

	proxy *url.URL // the addresses are the proxy's; nil for none
}

// ParseTarget parses a ws:// or wss:// URL and looks its host up. IPv4 addresses come first:
// servers on localhost listen on these more often.
func ParseTarget(ctx context.Context, rawURL string) (Target, error) {
	u, err := parseURL(rawURL)
	if err != nil {
		return Target{}, err
	}
	t := targetOf(u)
	err = t.lookup(ctx, u)
	return t, err
}

// parseURL never quotes a password.
func parseURL(rawURL string) (*url.URL, error) {
	const like = "it must look like ws://host:port/path, or wss:// for TLS"
	u, err := url.Parse(rawURL)
	switch {
	case err != nil && strings.Contains(rawURL, "@"):
		return nil, fmt.Errorf("wsproto: the URL cannot be parsed: %s; %%-encode what is special in a user or password", like)
	case err != nil:
		return nil, fmt.Errorf("wsproto: %w", err)
	case u.Scheme != "ws" && u.Scheme != "wss", u.Hostname() == "":
		return nil, fmt.Errorf("wsproto: %s is not a WebSocket URL: %s", shown(u), like)
	}
	return u, nil
}

// shown quotes a URL that may be malformed, unless it may contain a password anywhere: that
// of "http//user:password@host" is in the path.
func shown(u *url.URL) string {
	if u.User == nil && strings.Contains(u.String(), "@") {
		return "what was given"
	}
	return strconv.Quote(u.Redacted())
}

// targetOf returns the target without addresses.
func targetOf(u *url.URL) Target {
	t := Target{Host: u.Host, URI: u.RequestURI(), TLS: u.Scheme == "wss"}
	if u.User != nil {
		t.Authorization = basicAuth(u.User)
	}
	return t
}

// basicAuth returns the credentials of RFC 7617.
func basicAuth(user *url.Userinfo) string {
	password, _ := user.Password()
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user.Username()+":"+password))
}

var defaultPorts = map[string]string{"ws": "80", "http": "80", "wss": "443"}

// lookup finds the addresses of u, which may be a proxy's.
func (t *Target) lookup(ctx context.Context, u *url.URL) error {
	port := u.Port()
	setDefault(&port, defaultPorts[u.Scheme])
	var r net.Resolver
	n, err := r.LookupPort(ctx, "tcp", port)
	if err != nil {
		return fmt.Errorf("wsproto: unknown port in %q: %w", u.Redacted(), err)
	}
	ips, err := r.LookupNetIP(ctx, "ip", u.Hostname())
	if err != nil {
		return fmt.Errorf("wsproto: cannot look up the host of %q: %w", u.Redacted(), err)
	}
	var all, last []netip.AddrPort
	for _, ip := range ips {
		if at := netip.AddrPortFrom(ip.Unmap(), uint16(n)); at.Addr().Is4() {
			all = append(all, at)
		} else {
			last = append(last, at)
		}
	}
	all = interleave(all, last)
	if t.Addr = all[0]; len(all) > 1 {
		t.Others = all[1:]
	}
	return nil
}

// maxAddrs is the number of addresses of a host that are tried.
const maxAddrs = 16

// interleave alternates the address families (RFC 8305, 4), so that one that does not work
// costs one attempt.
func interleave(a, b []netip.AddrPort) (all []netip.AddrPort) {
	for i := range max(len(a), len(b)) {
		for _, family := range [][]netip.AddrPort{a, b} {
			if i < len(family) && len(all) < maxAddrs {
				all = append(all, family[i])
			}
		}
	}
	return all
}

// target is ParseTarget, with the proxy if there is one.
func (k *Client) target(ctx context.Context, rawURL string) (Target, error) {
	u, err := parseURL(rawURL)
	if err != nil {
		return Target{}, err
	}
	t, at := targetOf(u), u
	if t.proxy, err = k.proxyFor(u); err != nil {
		return Target{}, err
	} else if t.proxy != nil {
		at = t.proxy
	}
	err = t.lookup(ctx, at)
	return t, err
}

// proxyFor returns the proxy for a URL, nil if there is none.
func (k *Client) proxyFor(u *url.URL) (*url.URL, error) {
	find := k.Proxy
	if find == nil {
		find = http.ProxyFromEnvironment
	}
	plain := *u
	plain.Scheme = map[string]string{"ws": "http", "wss": "https"}[u.Scheme]
	plain.User = nil
	proxy, err := find(&http.Request{Method: http.MethodGet, URL: &plain, Host: u.Host, Header: k.Header})
	var wrong *url.Error
	switch {
	case errors.As(err, &wrong) && strings.Contains(wrong.URL, "@"):
		return nil, fmt.Errorf("wsproto: the URL of the proxy for %s cannot be parsed: %%-encode what is special in a user or password", u.Host)
	case err != nil:
		return nil, fmt.Errorf("wsproto: no proxy could be found for %s: %w", u.Host, err)
	case proxy == nil:
		return nil, nil
	case proxy.Scheme != "http" || proxy.Hostname() == "":
		return nil, fmt.Errorf("wsproto: the proxy %s is not supported: its URL must begin with http://", shown(proxy))
	}
	return proxy, nil
}
