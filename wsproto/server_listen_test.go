package wsproto

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// socketPeer is a client of a Unix socket.
type socketPeer struct {
	testing.TB
	net.Conn
	br *bufio.Reader
}

func dialUnix(t testing.TB, path string) *socketPeer {
	t.Helper()
	nc, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	return &socketPeer{t, nc, bufio.NewReader(nc)}
}

func (p *socketPeer) ask(in string, status int) (body string) {
	p.Helper()
	if _, err := io.WriteString(p, in); err != nil {
		p.Fatal(err)
	}
	resp, err := http.ReadResponse(p.br, nil)
	if err != nil {
		p.Fatal(err)
	}
	if status != http.StatusSwitchingProtocols {
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			p.Fatal(err)
		}
		body = string(b)
	}
	if resp.StatusCode != status {
		p.Fatalf("status %d, want %d: %s", resp.StatusCode, status, body)
	}
	return body
}

// TestListenSeveral: one server serves TCP, TLS and a Unix socket at once, WebSockets and HTTP.
func TestListenSeveral(t *testing.T) {
	certFile, keyFile := issue(t, t.TempDir(), 1)
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Handler: echo(t), HTTP: site()}
	first, second := listen(t, s), listen(t, s)
	config := &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &cert, nil }, NextProtos: []string{"h2", "acme-tls/1"}}
	secure, err := s.ListenOn(netpoll.Endpoint{Addr: "127.0.0.1:0", TLS: &netpoll.TLS{Config: config}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "s")
	if _, err := s.Listen("unix:" + path); err != nil {
		t.Fatal(err)
	}
	for _, addr := range []string{first, second} {
		dialPeer(t, addr).expectEcho("hello")
	}
	trusted := trusting(t, certFile)
	dialTLS(t, secure.String(), trusted).upgrade().expectEcho("hello")
	p := dialUnix(t, path)
	for range 2 {
		if body := p.ask(request("GET /hello HTTP/1.1", "Host: example.test"), http.StatusOK); body != "hello" {
			t.Errorf("%q", body)
		}
	}
	p.ask(goodRequest("/"), http.StatusSwitchingProtocols)
	if _, err := io.WriteString(p, text("over a Unix socket")); err != nil {
		t.Fatal(err)
	}
	if _, got, err := readFrame(p.br); string(got) != "over a Unix socket" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	trusted.NextProtos = []string{"acme-tls/1"}
	if got := dialTLS(t, secure.String(), trusted).tls.ConnectionState().NegotiatedProtocol; got != "acme-tls/1" {
		t.Errorf("negotiated %q", got)
	}
	plain := dialTCP(t, secure.String())
	plain.send(goodRequest("/"))
	if _, body := plain.response(http.StatusBadRequest); !strings.Contains(body, "TLS") {
		t.Errorf("%q", body)
	}
	if slices.Contains(config.NextProtos, "http/1.1") {
		t.Error("the configuration was changed")
	}
	if _, err := s.ListenOn(netpoll.Endpoint{Addr: "127.0.0.1:0", TLS: new(netpoll.TLS)}); err == nil {
		t.Error("TLS without a certificate is accepted")
	}
}

// TestUnixProxy: a proxy that connects to a Unix socket is believed if that is configured, and
// any Host is.
func TestUnixProxy(t *testing.T) {
	for word, want := range map[string]string{"unix": "192.0.2.1 https chat.example.com true", "none": "invalid IP http evil.example.com false"} {
		proxies, err := ParseProxies(word)
		if err != nil {
			t.Fatal(err)
		}
		saw := make(chan string, 2)
		see := func(client, scheme, host string, trusted bool) {
			saw <- fmt.Sprint(client, " ", scheme, " ", host, " ", trusted)
		}
		scheme := map[bool]string{false: "http", true: "https"}
		s := &Server{Proxies: proxies, Logger: quiet, MaxConnsPerClient: 1, Handler: &Funcs{Open: func(_ *Conn, r *Request) {
			see(r.ClientAddr().String(), scheme[r.Secure()], r.Host(), r.Trusted())
		}}, HTTP: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			see(ClientAddr(r, proxies).String(), scheme[Secure(r, proxies)], Host(r, proxies), Trusted(r, proxies))
		})}
		path := filepath.Join(t.TempDir(), "s")
		if _, err := s.Listen("unix:" + path); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { shutdown(t, s) })
		fields := []string{"Host: evil.example.com", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: https", "X-Forwarded-Host: chat.example.com"}
		p := dialUnix(t, path)
		p.ask(request(append([]string{"GET / HTTP/1.1"}, fields...)...), http.StatusOK)
		dialUnix(t, path).ask(with(fields...), http.StatusSwitchingProtocols)
		for range 2 {
			if got := next(t, saw); got != want {
				t.Errorf("%s: the client is %s, want %s", word, got, want)
			}
		}
		status := map[string]int{"unix": http.StatusTooManyRequests, "none": http.StatusSwitchingProtocols}[word]
		dialUnix(t, path).ask(with(fields...), status)
	}
}
