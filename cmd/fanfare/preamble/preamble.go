// Package preamble reads the PROXY protocol, versions 1 and 2, from the first bytes of a connection, for
// netpoll.Options.Preamble.
package preamble

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/pires/go-proxyproto"
)

// Max is the length in bytes of the longest preamble: the fixed part of version 2, and 4 KiB of addresses and
// extensions. One of version 1 is a line of at most 107 bytes.
const Max = fixedV2 + 4<<10

const (
	maxV1   = 107
	fixedV2 = 16
)

var (
	startV1 = []byte("PROXY ")
	startV2 = []byte("\r\n\r\n\x00\r\nQUIT\n")
	endV1   = []byte("\r\n")

	errNone    = errors.New("the connection does not begin with the PROXY protocol, version 1 or 2")
	errTooLong = errors.New("the PROXY header is longer than 107 bytes in version 1, or 4,112 in version 2")
)

// Parse returns the length of the preamble that first begins with, and the addresses in it. The length is 0 if more bytes
// are needed. The addresses are not valid if the preamble has none that count: with the command LOCAL, the protocol
// UNKNOWN, or a client of a Unix socket.
func Parse(first []byte) (length int, client, server netip.AddrPort, err error) {
	if length, err = lengthOf(first); length == 0 || err != nil {
		return 0, client, server, err
	}
	h, err := proxyproto.Read(bufio.NewReaderSize(bytes.NewReader(first[:length]), length))
	if err != nil {
		return 0, client, server, err
	}
	if h.Command.IsLocal() || h.TransportProtocol.IsUnspec() || h.TransportProtocol.IsUnix() {
		return length, client, server, nil
	}
	from, to, ok := h.TCPAddrs()
	if !ok {
		return 0, client, server, fmt.Errorf("the PROXY header is for the transport %v; it must be for TCP", h.TransportProtocol)
	}
	return length, addrPort(from), addrPort(to), nil
}

func addrPort(a *net.TCPAddr) netip.AddrPort {
	ap := a.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// lengthOf returns the length of the whole preamble, if first has all of it; 0 if more bytes are needed.
func lengthOf(first []byte) (int, error) {
	switch {
	case begins(first, startV1):
		return lengthOfV1(first)
	case begins(first, startV2):
		return lengthOfV2(first)
	}
	return 0, errNone
}

// begins reports whether first begins with start, as far as it goes.
func begins(first, start []byte) bool {
	n := min(len(first), len(start))
	return bytes.Equal(first[:n], start[:n])
}

func lengthOfV1(first []byte) (int, error) {
	line := first[:min(len(first), maxV1)]
	if i := bytes.Index(line, endV1); i >= 0 {
		return i + len(endV1), nil
	}
	if len(line) == maxV1 {
		return 0, errTooLong
	}
	return 0, nil
}

func lengthOfV2(first []byte) (int, error) {
	if len(first) < fixedV2 {
		return 0, nil
	}
	length := fixedV2 + int(binary.BigEndian.Uint16(first[fixedV2-2:]))
	switch {
	case length > Max:
		return 0, errTooLong
	case len(first) < length:
		return 0, nil
	}
	return length, nil
}
