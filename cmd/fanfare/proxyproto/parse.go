// Package proxyproto parses the first bytes of a connection from a proxy that speaks the PROXY protocol, version 1 or 2, as
// HAProxy, nginx and load balancers of clouds do. They tell the addresses of the client and of the server that the client
// has connected to.
//
// Its functions may be called from any goroutine, and keep nothing.
package proxyproto

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"

	parser "github.com/pires/go-proxyproto"
)

// Max is the largest header, in bytes: the beginning of version 2, and 4 KiB of addresses and extensions. Version 2 allows
// more, for the certificates of clients.
const Max = fixedPart + 4<<10

const (
	maxLine   = 107 // of version 1, with its end
	fixedPart = 16  // of version 2
)

var (
	errNoHeader = errors.New("the first bytes are neither \"PROXY \" nor the signature of version 2")
	line        = []byte("PROXY ")
	signature   = []byte("\r\n\r\n\x00\r\nQUIT\n")
)

// Parse returns the length of the header that the first bytes of a connection begin with, and its addresses. The length is
// 0 if more bytes are needed. The addresses are the zero AddrPort if the header tells none, because the connection is the
// proxy's own (LOCAL), or its client came over something else than IP.
func Parse(first []byte) (length int, client, server netip.AddrPort, err error) {
	length, err = measure(first)
	if err != nil || length == 0 || length > len(first) {
		return 0, client, server, err
	}
	h, err := parser.Read(bufio.NewReaderSize(bytes.NewReader(first[:length]), length))
	if err != nil {
		return 0, client, server, fmt.Errorf("its PROXY protocol header is malformed: %w", err)
	}
	if client, server, err = addresses(h); err != nil {
		return 0, netip.AddrPort{}, netip.AddrPort{}, err
	}
	return length, client, server, nil
}

// measure returns the length of the header, or 0 if that is not known yet.
func measure(first []byte) (length int, err error) {
	switch {
	case begins(first, line):
		return measureLine(first)
	case begins(first, signature):
		return measureBinary(first)
	}
	return 0, errNoHeader
}

// begins reports whether first begins with all of want, or with as much of it as there is.
func begins(first, want []byte) bool {
	return bytes.HasPrefix(first, want[:min(len(want), len(first))])
}

func measureLine(first []byte) (length int, err error) {
	end := bytes.IndexByte(first[:min(len(first), maxLine)], '\n')
	if end < 0 && len(first) >= maxLine {
		return 0, fmt.Errorf("its PROXY protocol line is longer than %d bytes", maxLine)
	}
	return end + 1, nil
}

func measureBinary(first []byte) (length int, err error) {
	if len(first) < fixedPart {
		return 0, nil
	}
	length = fixedPart + int(binary.BigEndian.Uint16(first[fixedPart-2:]))
	if length > Max {
		return 0, fmt.Errorf("its PROXY protocol header has %d bytes; the limit is %d", length, Max)
	}
	return length, nil
}

func addresses(h *parser.Header) (client, server netip.AddrPort, err error) {
	if h.Command.IsLocal() || h.TransportProtocol.IsUnix() {
		return client, server, nil
	}
	from, isTCP := h.SourceAddr.(*net.TCPAddr)
	to, both := h.DestinationAddr.(*net.TCPAddr)
	if !isTCP || !both {
		return client, server, errors.New("its PROXY protocol header is for a protocol other than TCP")
	}
	client, server = plain(from), plain(to)
	if a := client.Addr(); !a.IsValid() || a.IsUnspecified() || a.IsMulticast() {
		return netip.AddrPort{}, netip.AddrPort{}, fmt.Errorf("its PROXY protocol header says that the client is %v, which no client can be", a)
	}
	return client, server, nil
}

// plain returns an address, that of IPv4 as such.
func plain(a *net.TCPAddr) netip.AddrPort {
	at := a.AddrPort()
	return netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
}
