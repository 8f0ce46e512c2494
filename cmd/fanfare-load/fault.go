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

// fault is one kind of thing that went wrong, however often it did.
type fault struct {
	Kind    string `json:"kind"`
	Count   int64  `json:"count"`
	Example string `json:"example,omitempty"`
	Hint    string `json:"hint,omitempty"`
}

// faults collects what went wrong, by kind, so that 18,000 refused connections
// are one line. Its methods are safe from any goroutine.
type faults struct {
	mu   sync.Mutex
	kind map[string]*fault
}

// add counts n faults of a kind; example is called for the first of them.
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

// addError counts an error that a connection ended with, or did not begin with.
func (f *faults) addError(err error) {
	kind, hint := classify(err)
	f.add(kind, hint, 1, func() string { return plain(err) })
}

// any reports whether there is one.
func (f *faults) any() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.kind) > 0
}

// list returns the kinds, the most frequent first.
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

// classify names the kind of an error and says what to do about it.
func classify(err error) (kind, hint string) {
	var ce *wsproto.CloseError
	var he *wsproto.HandshakeError
	var untrusted *tls.CertificateVerificationError
	var noTLS tls.RecordHeaderError
	switch {
	case errors.Is(err, errUnanswered):
		return "closed instead of an answer to -hello", "does the server understand that message?"
	case errors.As(err, &ce):
		return classifyClose(ce)
	case errors.As(err, &he) && he.Status != 0:
		return classifyStatus(he.Status)
	case errors.As(err, &untrusted):
		return "certificate not trusted", "this machine does not know who signed it, or it is for another host: -insecure takes any"
	case errors.As(err, &noTLS):
		return "no TLS", "this port does not speak TLS: try ws:// instead of wss://"
	case errors.Is(err, netpoll.ErrTLSTimeout):
		return "handshake timed out", slowHandshake
	}
	for _, c := range []struct {
		err        error
		kind, hint string
	}{
		{unix.ECONNREFUSED, "connection refused", "nothing listens there: is the server running, on this host and port?"},
		{unix.EADDRNOTAVAIL, "no free local port", "widen net.ipv4.ip_local_port_range, or connect from more addresses with -source"},
		{unix.EMFILE, "too many open files", "raise ulimit -n"},
		{unix.ETIMEDOUT, "connecting timed out", "nothing answers at this address: a wrong host, or a firewall that drops packets"},
		{unix.ENETUNREACH, "network unreachable", "check the host's address and the routes"},
		{unix.EHOSTUNREACH, "host unreachable", "check the host's address"},
		{wsproto.ErrHandshakeTimeout, "handshake timed out", slowHandshake},
		{unix.ECONNRESET, "reset during the handshake", dropsConnections},
		{io.ErrUnexpectedEOF, "closed during the handshake", dropsConnections},
		{unix.EPIPE, "closed during the handshake", dropsConnections},
		{netpoll.ErrShutdown, "given up", "the run was ended before the server answered"},
	} {
		if errors.Is(err, c.err) {
			return c.kind, c.hint
		}
	}
	if he != nil {
		return "no WebSocket", "something else than a WebSocket server answers on this port: check the port"
	}
	return "failed", ""
}

const dropsConnections = "the server drops connections: see its log and its limits (of connections, and ulimit -n of its process)"

const slowHandshake = "the server accepts connections but does not answer: is it overloaded? See -timeout and -concurrency"

func classifyStatus(status int) (kind, hint string) {
	switch {
	case status < 300:
		return "no WebSocket", "it is an HTTP server, but there is no WebSocket at this path: check the path"
	case status < 400:
		hint = "the server redirects: use the address that it names"
	default:
		hint = statusHints[status]
	}
	return "refused with " + statusText(status), hint
}

// statusHints say what to do about an answer.
var statusHints = map[int]string{
	http.StatusUnauthorized:                "the server wants to know who is there: see -header, for Authorization or Cookie",
	http.StatusForbidden:                   "the server does not want this client: see -header, for Origin or Authorization",
	http.StatusNotFound:                    "there is no WebSocket at this path: check the path",
	http.StatusMethodNotAllowed:            "there is no WebSocket at this path: check the path",
	http.StatusMisdirectedRequest:          "the server does not serve this host name: use the name or address that it expects, or have it allow this one (fanfare -hosts)",
	http.StatusUpgradeRequired:             "the server wants another version of the protocol than 13",
	http.StatusTooManyRequests:             "the server limits how often, or how many, from one address: a longer -ramp, a lower -concurrency, or more addresses with -source",
	http.StatusRequestHeaderFieldsTooLarge: "the server takes no header of that length: see -header and -header-file",
	http.StatusServiceUnavailable:          "the server is full or ends: fewer connections (-n), or raise its limit of connections (fanfare -max-conns)",
	http.StatusBadGateway:                  "a proxy answers, and does not reach the server behind it",
	http.StatusGatewayTimeout:              "a proxy answers, and the server behind it does not",
}

// classifyClose is about connections that were open.
func classifyClose(ce *wsproto.CloseError) (kind, hint string) {
	var v *wsproto.Violation
	switch {
	case errors.As(ce.Err, &v) && v.Code == wsproto.MessageTooBig:
		return "message too large", "the server sends larger messages than -size: what is it?"
	case v != nil:
		return "protocol violated by the server", "the server breaks a rule of RFC 6455"
	case ce.Remote && ce.Code == wsproto.TryAgainLater:
		return "closed by the server with 1013", "this client did not read fast enough for the server: a lower -rate, or a smaller -n"
	case ce.Remote:
		return fmt.Sprintf("closed by the server with %d", ce.Code), ""
	case errors.Is(ce.Err, unix.ECONNRESET), errors.Is(ce.Err, unix.EPIPE), errors.Is(ce.Err, io.EOF), ce.Err == nil:
		return "ended by the server without a close frame", "did the server's process end? See its log"
	case errors.Is(ce.Err, unix.ETIMEDOUT):
		return "timed out", "the server takes nothing any more"
	}
	return "connection failed", ""
}
