package proxyproto

import (
	"bytes"
	"net"
	"net/netip"
	"strings"
	"testing"

	parser "github.com/pires/go-proxyproto"
)

var (
	v4, to4 = netip.MustParseAddrPort("192.0.2.1:1111"), netip.MustParseAddrPort("203.0.113.9:443")
	v6, to6 = netip.MustParseAddrPort("[2001:db8::2]:2222"), netip.MustParseAddrPort("[2001:db8::9]:443")
	none    netip.AddrPort
)

// header returns a header of version 1 or 2.
func header(t testing.TB, version byte, from, to netip.AddrPort) []byte {
	t.Helper()
	b, err := parser.HeaderProxyFromAddrs(version, net.TCPAddrFromAddrPort(from), net.TCPAddrFromAddrPort(to)).Format()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// binaryHeader returns a header of version 2 with that command, family and body.
func binaryHeader(command, family byte, body []byte) []byte {
	b := append(bytes.Clone(signature), command, family, byte(len(body)>>8), byte(len(body)))
	return append(b, body...)
}

// A header is found whatever follows it, and however it is cut.
func TestHeaders(t *testing.T) {
	for name, c := range map[string]struct {
		header       []byte
		client, from netip.AddrPort
	}{
		"v1 IPv4":      {header(t, 1, v4, to4), v4, to4},
		"v1 IPv6":      {header(t, 1, v6, to6), v6, to6},
		"v1 unknown":   {[]byte("PROXY UNKNOWN\r\n"), none, none},
		"v1 long":      {[]byte("PROXY UNKNOWN " + strings.Repeat("f", 91) + "\r\n"), none, none},
		"v2 IPv4":      {header(t, 2, v4, to4), v4, to4},
		"v2 IPv6":      {header(t, 2, v6, to6), v6, to6},
		"v2 mapped":    {header(t, 2, netip.MustParseAddrPort("[::ffff:192.0.2.1]:1111"), netip.MustParseAddrPort("203.0.113.9:443")), v4, to4},
		"v2 local":     {binaryHeader(0x20, 0, nil), none, none},
		"v2 local TCP": {binaryHeader(0x20, 0x11, header(t, 2, v4, to4)[fixedPart:]), none, none},
		"v2 Unix":      {binaryHeader(0x21, 0x31, make([]byte, 216)), none, none},
		"v2 with TLVs": {binaryHeader(0x21, 0x11, append(header(t, 2, v4, to4)[fixedPart:], 4, 0, 2, 0, 0)), v4, to4},
	} {
		for cut := range c.header {
			if n, _, _, err := Parse(c.header[:cut]); n != 0 || err != nil {
				t.Fatalf("%s: %d of %d bytes: %d, %v", name, cut, len(c.header), n, err)
			}
		}
		for _, rest := range []string{"", "GET / HTTP/1.1\r\n", "\x16\x03\x01\x00"} {
			n, client, server, err := Parse(append(bytes.Clone(c.header), rest...))
			if err != nil || n != len(c.header) || client != c.client || server != c.from {
				t.Errorf("%s: %d of %d, %v, %v, %v", name, n, len(c.header), client, server, err)
			}
		}
	}
}

func TestMalformed(t *testing.T) {
	for first, want := range map[string]string{
		"GET / HTTP/1.1\r\n":                                       "neither",
		"PROXYjunk TCP4":                                           "neither",
		"\r\n\r\nGET":                                              "neither",
		"\x16\x03\x01\x02\x00":                                     "neither",
		"PROXY TCP4 1.2.3.4 5.6.7.8 1 99999\r\n":                   "malformed",
		"PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n":                     "malformed",
		"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n":                         "malformed",
		"PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n":                       "malformed",
		"PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n":                       "malformed",
		"PROXY TCP4 0.0.0.0 5.6.7.8 1 2\r\n":                       "no client can be",
		"PROXY TCP6 :: 2001:db8::9 1 2\r\n":                        "no client can be",
		"PROXY TCP4 224.0.0.1 5.6.7.8 1 2\r\n":                     "no client can be",
		"PROXY " + strings.Repeat("x", 200):                        "longer than 107",
		string(binaryHeader(0x22, 0x11, make([]byte, 12))):         "malformed",
		string(binaryHeader(0x11, 0x11, make([]byte, 12))):         "malformed",
		string(binaryHeader(0x21, 0x11, make([]byte, 3))):          "malformed",
		string(binaryHeader(0x21, 0x00, nil)):                      "malformed",
		string(binaryHeader(0x21, 0x13, make([]byte, 12))):         "malformed",
		string(binaryHeader(0x21, 0x12, make([]byte, 12))):         "other than TCP",
		string(binaryHeader(0x21, 0x11, make([]byte, 5000))):       "the limit is 4112",
		string(binaryHeader(0x21, 0x11, make([]byte, 1)))[:16]:     "",
		string(binaryHeader(0x21, 0x11, make([]byte, 65000))[:16]): "the limit is 4112",
	} {
		n, client, _, err := Parse([]byte(first))
		if n != 0 || client.IsValid() || want != "" && (err == nil || !strings.Contains(err.Error(), want)) || want == "" && err != nil {
			t.Errorf("%.40q: %d, %v, %v; want %q", first, n, client, err, want)
		}
	}
}

// Whatever a peer sends, the result fits its bytes, and a part of it gives no other header.
func FuzzParse(f *testing.F) {
	for _, b := range [][]byte{header(f, 1, v4, to4), header(f, 2, v6, to6), binaryHeader(0x20, 0, nil), []byte("PROXY UNKNOWN\r\n"), binaryHeader(0x21, 0x31, make([]byte, 216))} {
		f.Add(append(b, "GET"...))
	}
	f.Fuzz(func(t *testing.T, first []byte) {
		n, client, server, err := Parse(first)
		switch {
		case n < 0 || n > len(first) || n > Max:
			t.Fatalf("the length is %d of %d", n, len(first))
		case err != nil && (n != 0 || client.IsValid() || server.IsValid()):
			t.Fatalf("%d, %v, %v beside the error %v", n, client, server, err)
		case n == 0 && err == nil && len(first) >= Max:
			t.Fatal("it wants more than the limit")
		case n > 0:
			if again, same, _, err := Parse(first[:n]); again != n || same != client || err != nil {
				t.Fatalf("without the rest: %d, %v, %v; before %d, %v", again, same, err, n, client)
			}
			if less, _, _, _ := Parse(first[:n-1]); less != 0 {
				t.Fatalf("a part of %d bytes is a header of %d", n-1, less)
			}
		}
	})
}
