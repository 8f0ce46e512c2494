package main

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/fanfare-ws/fanfare/netpoll"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// fault is a kind of failure, with the number of times that it happened.
type fault struct {
	Kind    string `json:"kind"`
	Count   int64  `json:"count"`
	Example string `json:"example,omitempty"`
	Hint    string `json:"hint,omitempty"`
}

// faults counts failures by kind, so that 18,000 refused connections are one line. Its methods are safe from any goroutine.
type faults struct {
	mu   sync.Mutex
	kind map[string]*fault
}

// add counts n faults of a kind. It calls example for the first of them.
func (f *faults) add(kind, hint string, n int64, example func() string) {
	if n <= 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.kind == nil {
		f.kind = make(map[string]*fault)
	}
	have := f.kind[kind]
	if have == nil {
		have = &fault{Kind: kind, Hint: hint}
		if example != nil {
			have.Example = oneLine(example(), 3*excerptLength)
		}
		f.kind[kind] = have
	}
	have.Count += n
}

// addError counts an error that ended a connection or kept it from opening.
func (f *faults) addError(err error) {
	kind, hint := classify(err)
	f.add(kind, hint, 1, func() string { return plain(err) })
}

// any reports whether there is a fault.
func (f *faults) any() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.kind) > 0
}

// list returns the faults, the most frequent first.
func (f *faults) list() []fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := []fault{}
	for _, k := range f.kind {
		all = append(all, *k)
	}
	slices.SortFunc(all, func(a, b fault) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Kind, b.Kind))
	})
	return all
}

// classify returns the kind of an error and a hint what to do about it.
func classify(err error) (kind, hint string) {
	var ce *wsproto.CloseError
	var he *wsproto.HandshakeError
	var untrusted *tls.CertificateVerificationError
	var noTLS tls.RecordHeaderError
	switch {
	case errors.Is(err, errUnanswered):
		return "closed without an answer to -hello", "check that the server understands the message"
	case errors.As(err, &ce):
		return classifyClose(ce)
	case errors.As(err, &he) && he.Status != 0:
		return classifyStatus(he.Status)
	case errors.As(err, &untrusted):
		return "certificate not trusted", "the certificate is self-signed, from an unknown authority, or for another host: -insecure accepts any certificate"
	case errors.As(err, &noTLS):
		return "no TLS", "this port does not speak TLS: try ws:// instead of wss://"
	case errors.Is(err, netpoll.ErrTLSTimeout):
		return "handshake timed out", slowHandshake
	}
	for _, c := range []struct {
		err        error
		kind, hint string
	}{
		{unix.ECONNREFUSED, "connection refused", "nothing listens there: check that the server runs, and its host and port"},
		{unix.EADDRNOTAVAIL, "no free local port", "widen net.ipv4.ip_local_port_range, or set more addresses with -source"},
		{unix.EMFILE, "too many open files", "raise ulimit -n"},
		{unix.ETIMEDOUT, "connecting timed out", "nothing answers at this address: the host is wrong, or a firewall drops packets"},
		{unix.ENETUNREACH, "network unreachable", "check the address of the host, and the routes"},
		{unix.EHOSTUNREACH, "host unreachable", "check the address of the host"},
		{wsproto.ErrHandshakeTimeout, "handshake timed out", slowHandshake},
		{unix.ECONNRESET, "reset during the handshake", dropsConnections},
		{io.ErrUnexpectedEOF, "closed during the handshake", dropsConnections},
		{unix.EPIPE, "closed during the handshake", dropsConnections},
		{netpoll.ErrShutdown, "given up", "the run ended before the server answered"},
	} {
		if errors.Is(err, c.err) {
			return c.kind, c.hint
		}
	}
	if he != nil {
		return "no WebSocket", "the server on this port does not speak HTTP: check the port"
	}
	return "failed", ""
}

const dropsConnections = "the server drops connections: see its log and its limits (of connections, and of open files: ulimit -n)"

const slowHandshake = "the server accepts connections but does not answer in time: it may be overloaded; see -timeout and -concurrency"

func classifyStatus(status int) (kind, hint string) {
	switch {
	case status < 300:
		return "no WebSocket", "the HTTP server has no WebSocket at this path: check the path"
	case status < 400:
		hint = "the server redirects: use the URL that it names"
	default:
		hint = statusHints[status]
	}
	return "refused with " + statusText(status), hint
}

// statusHints say what to do about a status.
var statusHints = map[int]string{
	http.StatusUnauthorized:                "the server needs credentials: set Authorization or Cookie with -header",
	http.StatusForbidden:                   "the server refuses this client: set Origin or Authorization with -header",
	http.StatusNotFound:                    "the server has no WebSocket at this path: check the path",
	http.StatusMethodNotAllowed:            "the server has no WebSocket at this path: check the path",
	http.StatusMisdirectedRequest:          "the server does not answer for this host name: use one that it knows, or add this one to the server (fanfare -hosts)",
	http.StatusUpgradeRequired:             "the server does not support version 13 of the protocol",
	http.StatusTooManyRequests:             "the server limits connections per address or their rate: use a longer -ramp, a lower -concurrency, or more addresses with -source",
	http.StatusRequestHeaderFieldsTooLarge: "the header is too long for the server: see -header and -header-file",
	http.StatusServiceUnavailable:          "the server is full or shutting down: open fewer connections (-n), or raise its limit (fanfare -max-conns)",
	http.StatusBadGateway:                  "a proxy cannot reach the server behind it",
	http.StatusGatewayTimeout:              "the server behind a proxy does not answer",
}

// classifyClose is classify for connections that were open.
func classifyClose(ce *wsproto.CloseError) (kind, hint string) {
	var v *wsproto.Violation
	switch {
	case errors.As(ce.Err, &v) && v.Code == wsproto.MessageTooBig:
		return "message too large", "the server sends messages that are larger than -size: check the path"
	case v != nil:
		return "protocol violated by the server", "the server broke a rule of RFC 6455"
	case ce.Remote && ce.Code == wsproto.TryAgainLater:
		return "closed by the server with 1013", "this client did not read fast enough for the server: use a lower -rate or a smaller -n"
	case ce.Remote:
		return fmt.Sprintf("closed by the server with %d", ce.Code), ""
	case errors.Is(ce.Err, unix.ECONNRESET), errors.Is(ce.Err, unix.EPIPE), errors.Is(ce.Err, io.EOF), ce.Err == nil:
		return "ended by the server without a close frame", "the server's process may have ended: see its log"
	case errors.Is(ce.Err, unix.ETIMEDOUT):
		return "timed out", "the server does not read any more"
	}
	return "connection failed", ""
}
