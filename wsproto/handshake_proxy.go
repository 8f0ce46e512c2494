package wsproto

import (
	"fmt"
	"iter"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Proxies are the addresses of the trusted proxies in front of a server. For a request that
// comes from one of them, X-Forwarded-For, X-Forwarded-Proto and X-Forwarded-Host, or
// Forwarded (RFC 7239), or X-Real-IP name the client. In a request from any other address
// these fields have no effect. Nil trusts no proxy.
//
// A trusted proxy must set, or append to, the fields that it uses, and must remove all others
// of these: the client wrote what the proxy passes on unchanged. If two kinds of fields name
// different clients, one must be forged, and both are ignored: then the client's address is
// that of the proxy, and the Server logs what to configure. A client's X-Forwarded-Proto and
// X-Forwarded-Host cannot be told from a proxy's.
//
// An address that the preamble of a connection tells (see netpoll.Preamble) is never that of a
// trusted proxy: the preamble names the client, and the fields that follow are the client's own.
//
// A program that forwards only TCP, such as ssh -L, socat, or HAProxy in TCP mode, passes on
// all fields of the client: it must not be trusted (none).
type Proxies []netip.Prefix

// unixPeer stands for all peers of Unix sockets: no connection comes from the unspecified address.
var unixPeer = netip.IPv6Unspecified()

// clientOf returns a, if it is the address of a client.
func clientOf(a netip.Addr) netip.Addr {
	if a == unixPeer {
		return netip.Addr{}
	}
	return a
}

// proxyWords are the names that ParseProxies accepts.
var proxyWords = map[string][]string{
	"loopback": {"127.0.0.0/8", "::1/128"},
	"private":  {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"},
	"unix":     {"::/128"}, // unixPeer
	"none":     nil,
}

// ParseProxies parses a list, separated by commas, of addresses, CIDR prefixes, and the words
// loopback, private (RFC 1918 and RFC 4193, without loopback), unix (whoever may connect to a Unix
// socket of the server) and none.
func ParseProxies(s string) (Proxies, error) {
	var p Proxies
	none := false
	for word := range strings.SplitSeq(s, ",") {
		word = strings.TrimSpace(word)
		prefixes, known := proxyWords[strings.ToLower(word)]
		switch none = none || strings.EqualFold(word, "none"); {
		case word == "":
			continue
		case !known:
			prefixes = []string{word}
		}
		for _, text := range prefixes {
			prefix, err := parsePrefix(text)
			if err != nil {
				return nil, fmt.Errorf("wsproto: trusted proxy %q is neither an address, nor a prefix such as 10.0.0.0/8, nor loopback, private, unix or none", word)
			}
			p = append(p, prefix)
		}
	}
	if none && len(p) > 0 {
		return nil, fmt.Errorf("wsproto: trusted proxies %q combine none with other entries; none must be the only entry", s)
	}
	return p, nil
}

// parsePrefix parses a prefix; an address is the prefix of only that address.
func parsePrefix(s string) (netip.Prefix, error) {
	if !strings.Contains(s, "/") {
		a, err := netip.ParseAddr(s)
		a = plainAddr(a)
		return netip.PrefixFrom(a, a.BitLen()), err
	}
	p, err := netip.ParsePrefix(s)
	if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	return p.Masked(), err
}

// plainAddr returns a in the form that is compared: IPv4 addresses as such, and without a
// zone.
func plainAddr(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// Trust reports whether a is the address of a trusted proxy. A Unix socket has no address: see
// [Trusted] and [Request.Trusted].
func (p Proxies) Trust(a netip.Addr) bool {
	a = plainAddr(a)
	for _, prefix := range p {
		if prefix.Contains(a) {
			return true
		}
	}
	return false
}

// ClientAddr returns the address of the client of a request that came from peer. That is peer
// itself, unless peer is trusted. Then it is the last address in the list of the proxies that
// is not trusted. If there is none, or an entry is not an address, it is that of the farthest
// known proxy. values returns the values of all header fields of a name, like
// http.Header.Values.
func (p Proxies) ClientAddr(peer netip.Addr, values func(name string) []string) netip.Addr {
	return p.forwarded(peer, values).client
}

// Scheme returns the scheme that the client used, http or https, according to a trusted
// proxy; "" if it does not say.
func (p Proxies) Scheme(peer netip.Addr, values func(name string) []string) string {
	return p.forwarded(peer, values).scheme(values)
}

// Host returns the host that the client asked for, with its port if it has one, according to
// a trusted proxy; "" if it does not say.
func (p Proxies) Host(peer netip.Addr, values func(name string) []string) string {
	return p.forwarded(peer, values).host(values)
}

// forwarded is what the trusted proxies in front of a request say.
type forwarded struct {
	client  netip.Addr
	trusted bool
	torn    bool // the fields name different clients, so all are ignored
	hops    int  // entries of the list that trusted proxies wrote, from its right
	rfc7239 bool // the list is in Forwarded
}

// kinds are the fields that name the client, and how to find the address in an entry.
var kinds = [...]struct {
	field string
	node  func(entry string) string
}{
	{"X-Forwarded-For", func(entry string) string { return entry }},
	{"Forwarded", func(entry string) string { return forwardedParam(entry, "for") }},
	{"X-Real-Ip", func(entry string) string { return entry }},
}

func (p Proxies) forwarded(peer netip.Addr, values func(name string) []string) forwarded {
	f := forwarded{client: plainAddr(peer), trusted: p.Trust(peer)}
	if !f.trusted {
		return f
	}
	told := f // the first field that names an untrusted client counts, else the first field
	for i, kind := range kinds {
		client, hops := p.walk(f.client, values(kind.field), kind.node)
		if hops == 0 {
			continue
		}
		switch strange := !p.Trust(client); {
		case strange && !p.Trust(told.client) && client != told.client:
			return forwarded{client: f.client, torn: true}
		case told.hops == 0, strange && p.Trust(told.client):
			told.client, told.hops, told.rfc7239 = client, hops, i == 1
		}
	}
	if told.rfc7239 && (len(values("X-Forwarded-Proto")) > 0 || len(values("X-Forwarded-Host")) > 0) {
		return forwarded{client: f.client, torn: true} // the older fields are in use too, and name no address
	}
	return told
}

// walk follows a list of addresses that begins at peer, from its right to the first that is
// not trusted. hops is 0 if the list is empty.
func (p Proxies) walk(peer netip.Addr, list []string, node func(entry string) string) (client netip.Addr, hops int) {
	client = peer
	for entry := range fromRight(list) {
		hops++
		a, ok := parseNode(node(entry))
		if !ok {
			break
		}
		if client = a; !p.Trust(a) {
			break
		}
	}
	return client, hops
}

// of returns what the farthest trusted proxy says: the entry of name that belongs to the
// client's address, or the first entry if the list is shorter than that of addresses, because
// a proxy replaced it.
func (f forwarded) of(name, param string, values func(name string) []string) string {
	if !f.trusted {
		return ""
	}
	if f.rfc7239 {
		name = "Forwarded"
	}
	n, found := 0, ""
	for entry := range fromRight(values(name)) {
		found = entry
		if f.rfc7239 {
			found = forwardedParam(entry, param)
		}
		if n++; n >= max(f.hops, 1) {
			break
		}
	}
	return found
}

func (f forwarded) scheme(values func(name string) []string) string {
	switch strings.ToLower(f.of("X-Forwarded-Proto", "proto", values)) {
	case "http", "ws":
		return "http"
	case "https", "wss":
		return "https"
	}
	return ""
}

func (f forwarded) host(values func(name string) []string) string {
	h := f.of("X-Forwarded-Host", "host", values)
	if strings.ContainsFunc(h, func(r rune) bool { return r <= ' ' || r == '/' || r == '@' || r == 0x7f }) {
		return ""
	}
	return h
}

// fromRight yields the entries of a list that may be spread over several fields, from the
// last. It ignores quotes: a proxy appends after a comma, whatever quotes the client has left
// open before.
func fromRight(values []string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := len(values) - 1; i >= 0; i-- {
			for rest, more := values[i], true; more; {
				entry, at := rest, strings.LastIndexByte(rest, ',')
				if more = at >= 0; more {
					rest, entry = rest[:at], rest[at+1:]
				}
				if entry = strings.TrimSpace(entry); entry != "" && !yield(entry) {
					return
				}
			}
		}
	}
}

// forwardedParam returns a parameter of an element of Forwarded, such as
// for="[2001:db8::1]:4711";proto=https, without its quotes.
func forwardedParam(element, name string) string {
	for pair := range strings.SplitSeq(element, ";") {
		if k, v, ok := strings.Cut(pair, "="); ok && strings.EqualFold(strings.TrimSpace(k), name) {
			return strings.Trim(strings.TrimSpace(v), `"`)
		}
	}
	return ""
}

// parseNode parses an address with or without a port, and with or without brackets.
func parseNode(s string) (netip.Addr, bool) {
	if a, err := netip.ParseAddr(s); err == nil {
		return plainAddr(a), true
	}
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return plainAddr(ap.Addr()), true
	}
	if inner, ok := strings.CutPrefix(s, "["); ok {
		inner, _, ok = strings.Cut(inner, "]") // any port may follow: RFC 7239 lets it be a name
		a, err := netip.ParseAddr(inner)
		return plainAddr(a), ok && err == nil
	}
	host, _, ok := strings.Cut(s, ":")
	a, err := netip.ParseAddr(host)
	return a, ok && err == nil
}

// ClientAddr returns the address of the client of a net/http request, of a Server or of
// another server, like [Proxies.ClientAddr]. It is not valid if the request did not come over
// TCP.
func ClientAddr(r *http.Request, p Proxies) netip.Addr {
	return clientOf(p.of(r).ClientAddr(peerOf(r), r.Header.Values))
}

// Secure reports whether the client of a net/http request used TLS: according to a trusted
// proxy, or else to this server.
func Secure(r *http.Request, p Proxies) bool {
	if scheme := p.of(r).Scheme(peerOf(r), r.Header.Values); scheme != "" {
		return scheme == "https"
	}
	return r.TLS != nil
}

// Host returns the host that the client of a net/http request asked for, with its port if it
// has one: according to a trusted proxy, or else the request's Host.
func Host(r *http.Request, p Proxies) string {
	if h := p.of(r).Host(peerOf(r), r.Header.Values); h != "" {
		return h
	}
	return r.Host
}

// Trusted reports whether a net/http request comes from a trusted proxy.
func Trusted(r *http.Request, p Proxies) bool { return p.of(r).Trust(peerOf(r)) }

// of returns p, or no proxies for a request whose address a preamble has told.
func (p Proxies) of(r *http.Request) Proxies {
	if c, own := r.Context().Value(ownKey{}).(servedConn); own && c.served().told {
		return nil
	}
	return p
}

// peerOf returns the address that a request came from, or the zero Addr if it has none.
func peerOf(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	switch {
	case err == nil:
		return plainAddr(ap.Addr())
	case isUnix(r):
		return unixPeer
	}
	return netip.Addr{}
}

// isUnix reports whether a request of net/http came over a Unix socket.
func isUnix(r *http.Request) bool {
	_, is := r.Context().Value(http.LocalAddrContextKey).(*net.UnixAddr)
	return is
}
