package wsproto

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
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

// An address in a preamble is no trusted proxy, even if it is one of Proxies: whoever sends the preamble could name any user.
func TestPreambleIsNotTrusted(t *testing.T) {
	preamble := []byte("PREAMBLE\n")
	dir := t.TempDir()
	certFile, keyFile := issue(t, dir, 1)
	proxies, err := ParseProxies("loopback,192.0.2.7")
	if err != nil {
		t.Fatal(err)
	}
	for client, want := range map[string]string{
		"127.0.0.1:1": "false 127.0.0.1 false localhost", "192.0.2.7:1": "false 192.0.2.7 false localhost", "": "true 198.51.100.1 true forged.example",
	} {
		var at netip.AddrPort
		if client != "" {
			at = netip.MustParseAddrPort(client)
		}
		for _, withTLS := range []bool{false, true} {
			if client != "" && withTLS {
				want = strings.Replace(want, "false localhost", "true localhost", 1)
			}
			asked := make(chan string, 1)
			s := &Server{
				Handler: echo(t), Logger: quiet, Proxies: proxies,
				Engine: netpoll.Options{Preamble: &netpoll.Preamble{
					From: netip.Addr.IsLoopback,
					Parse: func(first []byte) (int, netip.AddrPort, netip.AddrPort, error) {
						if !bytes.HasPrefix(first, preamble) {
							return 0, at, at, nil
						}
						return len(preamble), at, at, nil
					},
				}},
				Accept: func(r *Request) error {
					asked <- fmt.Sprint(r.Trusted(), " ", r.ClientAddr(), " ", r.Secure(), " ", r.Host())
					return nil
				},
			}
			s.HTTP = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				asked <- fmt.Sprint(Trusted(r, proxies), " ", ClientAddr(r, proxies), " ", Secure(r, proxies), " ", Host(r, proxies))
			})
			t.Cleanup(func() { shutdown(t, s) })
			const fields = "X-Forwarded-For: 198.51.100.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: forged.example\r\n"
			const plain = "GET / HTTP/1.1\r\nHost: localhost\r\n" + fields + "\r\n"
			handshake := strings.Replace(strings.Replace(goodRequest("/"), "example.test", "localhost", 1), "\r\n\r\n", "\r\n"+fields+"\r\n", 1)
			for name, requests := range map[string][]string{"handshake": {handshake}, "request": {plain}, "request and handshake": {plain, handshake}} {
				nc := openThrough(t, s, preamble, withTLS, certFile, keyFile)
				for _, request := range requests {
					if _, err := io.WriteString(nc, request); err != nil {
						t.Fatal(err)
					}
					if got := <-asked; got != want {
						t.Errorf("%s from %q, TLS %v: %s, want %s", name, client, withTLS, got, want)
					}
				}
			}
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
