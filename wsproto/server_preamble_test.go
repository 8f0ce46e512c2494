package wsproto

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"testing"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// TestPreamble has a proxy tell the client's address before TLS and HTTP: WebSockets and ordinary requests have it.
func TestPreamble(t *testing.T) {
	client, front := netip.MustParseAddrPort("192.0.2.7:7777"), netip.MustParseAddrPort("203.0.113.1:443")
	preamble := []byte("PREAMBLE\n")
	proxy := &netpoll.Preamble{
		From: netip.Addr.IsLoopback,
		Parse: func(first []byte) (int, netip.AddrPort, netip.AddrPort, error) {
			if !bytes.HasPrefix(first, preamble) {
				return 0, client, front, nil
			}
			return len(preamble), client, front, nil
		},
	}
	dir := t.TempDir()
	certFile, keyFile := issue(t, dir, 1)
	for _, withTLS := range []bool{false, true} {
		asked := make(chan string, 1)
		s := &Server{
			Handler: echo(t), Logger: quiet, Engine: netpoll.Options{Preamble: proxy},
			Accept: func(r *Request) error {
				asked <- fmt.Sprint(r.RemoteAddr(), r.ClientAddr(), r.LocalAddr())
				return nil
			},
			HTTP: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				fmt.Fprint(w, r.RemoteAddr, " ", ClientAddr(r, nil), " ", r.Context().Value(http.LocalAddrContextKey))
			}),
		}
		t.Cleanup(func() { shutdown(t, s) })
		open := func() net.Conn { return openThrough(t, s, preamble, withTLS, certFile, keyFile) }
		if _, err := io.WriteString(open(), goodRequest("/")); err != nil {
			t.Fatal(err)
		}
		if got, want := <-asked, fmt.Sprint(client, client.Addr(), front); got != want {
			t.Errorf("TLS %v: a WebSocket is from %s, want %s", withTLS, got, want)
		}
		nc := open()
		if _, err := io.WriteString(nc, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		response, err := io.ReadAll(nc)
		if want := fmt.Sprint(client, " ", client.Addr(), " ", front); err != nil || !bytes.HasSuffix(response, []byte(want)) {
			t.Errorf("TLS %v: a request gets %v, %q; want %s", withTLS, err, response, want)
		}
	}
}

// openThrough listens at another port, and connects to it with a preamble that comes byte by byte.
func openThrough(t *testing.T, s *Server, preamble []byte, withTLS bool, certFile, keyFile string) net.Conn {
	t.Helper()
	listen := func() (net.Addr, error) { return s.Listen("127.0.0.1:0") }
	if withTLS {
		listen = func() (net.Addr, error) { return s.ListenTLS("127.0.0.1:0", certFile, keyFile) }
	}
	a, err := listen()
	if err != nil {
		t.Fatal(err)
	}
	nc, err := net.Dial("tcp", a.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	for i := range preamble {
		if _, err := nc.Write(preamble[i : i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if !withTLS {
		return nc
	}
	config := trusting(t, certFile)
	config.ServerName = "localhost"
	return tls.Client(nc, config)
}
