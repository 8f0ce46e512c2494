package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fanfare-ws/fanfare/netpoll"
	"github.com/fanfare-ws/fanfare/wsproto"
)

func TestFaults(t *testing.T) {
	var f faults
	want(t, "any", f.any(), false)
	calls := 0
	for range 18000 {
		f.add("b", "do this", 1, func() string { calls++; return "example" })
	}
	f.add("a", "", 2, nil)
	f.add("none", "", 0, nil)
	want(t, "any", f.any(), true)
	want(t, "examples made", calls, 1)
	want(t, "faults", fmt.Sprint(f.list()), "[{b 18000 example do this} {a 2  }]")
}

func TestClassify(t *testing.T) {
	for _, c := range []struct {
		err  error
		kind string
	}{
		{fmt.Errorf("connect: %w", unix.ECONNREFUSED), "connection refused"},
		{&wsproto.HandshakeError{Err: unix.ECONNRESET}, "reset during the handshake"},
		{&wsproto.HandshakeError{Err: io.ErrUnexpectedEOF}, "closed during the handshake"},
		{&wsproto.HandshakeError{Status: 302}, "refused with 302 Found"},
		{&wsproto.HandshakeError{Status: 200}, "no WebSocket"},
		{&wsproto.HandshakeError{Reason: "?"}, "no WebSocket"},
		{&wsproto.HandshakeError{Err: &tls.CertificateVerificationError{Err: io.EOF}}, "certificate not trusted"},
		{&wsproto.HandshakeError{Err: tls.RecordHeaderError{}}, "no TLS"},
		{&wsproto.HandshakeError{Err: netpoll.ErrTLSTimeout}, "handshake timed out"},
		{fmt.Errorf("connect: %w", unix.EADDRNOTAVAIL), "no free local port"},
		{&wsproto.CloseError{Code: 1001, Remote: true}, "closed by the server with 1001"},
		{&wsproto.CloseError{Code: 1013, Remote: true}, "closed by the server with 1013"},
		{&wsproto.CloseError{Code: 1006, Err: io.EOF}, "ended by the server without a close frame"},
		{&wsproto.CloseError{Code: 1002, Err: &wsproto.Violation{Code: 1002}}, "protocol violated by the server"},
		{&wsproto.CloseError{Code: 1009, Err: &wsproto.Violation{Code: 1009}}, "message too large"},
		{&wsproto.CloseError{Code: 1006, Err: netpoll.ErrPanic}, "connection failed"},
		{errors.New("?"), "failed"},
	} {
		if kind, _ := classify(c.err); kind != c.kind {
			t.Errorf("%v is %q, want %q", c.err, kind, c.kind)
		}
	}
}
