package preamble

import (
	"bytes"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/pires/go-proxyproto"
)

func encode(t *testing.T, h *proxyproto.Header) []byte {
	t.Helper()
	p, err := h.Format()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func tcp(s string) *net.TCPAddr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(s)) }

// Each preamble is found whatever follows it, and more is asked for as long as it is not whole.
func TestParse(t *testing.T) {
	long := proxyproto.HeaderProxyFromAddrs(2, tcp("192.0.2.1:1"), tcp("192.0.2.2:2"))
	if err := long.SetTLVs([]proxyproto.TLV{{Type: proxyproto.PP2_TYPE_NOOP, Value: make([]byte, 4000)}}); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		header         []byte
		client, server string
	}{
		"v1 IPv4":    {[]byte("PROXY TCP4 192.0.2.1 192.0.2.2 1111 443\r\n"), "192.0.2.1:1111", "192.0.2.2:443"},
		"v1 IPv6":    {[]byte("PROXY TCP6 2001:db8::1 2001:db8::2 1111 443\r\n"), "[2001:db8::1]:1111", "[2001:db8::2]:443"},
		"v1 UNKNOWN": {[]byte("PROXY UNKNOWN\r\n"), "", ""},
		"v2 IPv4":    {encode(t, proxyproto.HeaderProxyFromAddrs(2, tcp("192.0.2.1:1111"), tcp("192.0.2.2:443"))), "192.0.2.1:1111", "192.0.2.2:443"},
		"v2 IPv6":    {encode(t, proxyproto.HeaderProxyFromAddrs(2, tcp("[2001:db8::1]:1111"), tcp("[2001:db8::2]:443"))), "[2001:db8::1]:1111", "[2001:db8::2]:443"},
		"v2 long":    {encode(t, long), "192.0.2.1:1", "192.0.2.2:2"},
		"v2 LOCAL":   {encode(t, &proxyproto.Header{Version: 2, Command: proxyproto.LOCAL, TransportProtocol: proxyproto.UNSPEC}), "", ""},
		"v2 Unix": {encode(t, proxyproto.HeaderProxyFromAddrs(2, &net.UnixAddr{Net: "unix", Name: "/a"}, &net.UnixAddr{Net: "unix", Name: "/b"})),
			"", ""},
	} {
		for n := range tt.header {
			if length, _, _, err := Parse(tt.header[:n]); length != 0 || err != nil {
				t.Fatalf("%s: %d bytes of %d: length %d, %v", name, n, len(tt.header), length, err)
			}
		}
		var want [2]netip.AddrPort
		if tt.client != "" {
			want = [2]netip.AddrPort{netip.MustParseAddrPort(tt.client), netip.MustParseAddrPort(tt.server)}
		}
		for _, rest := range []string{"", "G", "GET / HTTP/1.1\r\n\r\n", "PROXY UNKNOWN\r\n"} {
			length, client, server, err := Parse(append(bytes.Clone(tt.header), rest...))
			if length != len(tt.header) || [2]netip.AddrPort{client, server} != want || err != nil {
				t.Errorf("%s: length %d, from %v to %v, %v; want %d, %v", name, length, client, server, err, len(tt.header), want)
			}
		}
	}
}

// What is no preamble is refused at its first wrong byte, or before it can get too long.
func TestParseErrors(t *testing.T) {
	for name, first := range map[string]string{
		"HTTP":          "G",
		"TLS":           "\x16\x03\x01",
		"v1 too long":   "PROXY TCP4 " + strings.Repeat("1", maxV1),
		"v1 no address": "PROXY TCP4 x y 1 2\r\n",
		"v2 too long":   string(startV2) + "\x21\x11\xff\xff",
		"v2 UDP":        string(startV2) + "\x21\x12\x00\x0c" + strings.Repeat("\x01", 12),
		"v2 version 3":  string(startV2) + "\x31\x11\x00\x0c" + strings.Repeat("\x01", 12),
		"v2 too short":  string(startV2) + "\x21\x11\x00\x01\x01",
	} {
		if length, client, _, err := Parse([]byte(first)); err == nil || length != 0 || client.IsValid() {
			t.Errorf("%s: length %d, from %v, no error", name, length, client)
		}
	}
}

// FuzzParse checks that no bytes make Parse panic or return a length that is not there.
func FuzzParse(f *testing.F) {
	f.Add([]byte("PROXY TCP4 192.0.2.1 192.0.2.2 1111 443\r\n"))
	f.Add(append(bytes.Clone(startV2), "\x21\x11\x00\x0c\x01\x02\x03\x04\x05\x06\x07\x08\x00\x01\x00\x02"...))
	f.Add(append(bytes.Clone(startV2), "\x20\x00\x00\x00"...))
	f.Fuzz(func(t *testing.T, first []byte) {
		if length, _, _, err := Parse(first); length < 0 || length > min(len(first), Max) || length > 0 && err != nil {
			t.Errorf("length %d of %d, %v", length, len(first), err)
		}
	})
}
