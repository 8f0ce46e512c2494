package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/coder/websocket"
	parser "github.com/pires/go-proxyproto"

	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
)

// through returns a client whose connections come through a proxy that tells the address from; none if it is empty.
func through(t *testing.T, at string, version byte, from string, trust *tls.Config) *http.Client {
	t.Helper()
	header := []byte(parser.SIGV2)
	header = append(header, 0x20, 0, 0, 0) // LOCAL
	if from != "" {
		client, server := net.TCPAddrFromAddrPort(netip.MustParseAddrPort(from)), net.TCPAddrFromAddrPort(netip.MustParseAddrPort("203.0.113.9:443"))
		b, err := parser.HeaderProxyFromAddrs(version, client, server).Format()
		if err != nil {
			t.Fatal(err)
		}
		header = b
	}
	tr := &http.Transport{TLSClientConfig: trust, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		nc, err := new(net.Dialer).DialContext(ctx, "tcp", at)
		if err == nil {
			_, err = nc.Write(header)
		}
		return nc, err
	}}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func (p *program) dialThrough(c *http.Client, url string) (*websocket.Conn, *http.Response, error) {
	p.t.Helper()
	conn, resp, err := websocket.Dial(p.ctx(), url, &websocket.DialOptions{HTTPClient: c})
	if err == nil {
		p.t.Cleanup(func() { _ = conn.CloseNow() })
	}
	return conn, resp, err
}

// The address of the client comes from the proxy: it counts for limits, topics belong to it, and the backend learns it. The
// other listener takes no such header.
func TestProxyProtocol(t *testing.T) {
	cert, key, trust := netpolltest.Certificate(t)
	asked := make(chan string, 100)
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q struct{ Address string }
		_ = json.NewDecoder(r.Body).Decode(&q)
		asked <- q.Address
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"ok":{"read":[">"],"write":[">"]}}`)
	}))
	t.Cleanup(app.Close)
	p := start(t, "-addr", "127.0.0.1:0 tls=off", "-addr", "127.0.0.1:0 proxy-protocol tls=off", "-addr", "127.0.0.1:0 proxy-protocol",
		"-cert", cert, "-key", key, "-backend-connect", app.URL, "-max-conns-per-addr", "3")
	at := p.addrs()
	for name, c := range map[string]struct {
		at, scheme string
		version    byte
		from, want string
	}{
		"v1":         {at[2], "ws", 1, "192.0.2.1:1111", "192.0.2.1"},
		"v2":         {at[2], "ws", 2, "[2001:db8::2]:2222", "2001:db8::2"},
		"local":      {at[2], "ws", 2, "", "127.0.0.1"},
		"v1 and TLS": {at[3], "wss", 1, "192.0.2.3:1111", "192.0.2.3"},
		"v2 and TLS": {at[3], "wss", 2, "192.0.2.4:1111", "192.0.2.4"},
	} {
		conn, _, err := p.dialThrough(through(t, c.at, c.version, c.from, trust), c.scheme+"://"+c.at+"/echo")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		p.send(conn, "hello")
		p.wants(conn, websocket.MessageText, "hello")
		if got := <-asked; got != c.want {
			t.Errorf("%s: the backend is told %s, want %s", name, got, c.want)
		}
	}
	if status := raw(t, at[1], "PROXY TCP4 192.0.2.1 203.0.113.9 1 2\r\nGET /readyz HTTP/1.1\r\nHost: x\r\n\r\n"); !strings.Contains(status, "400") {
		t.Errorf("at the listener without proxies: %s", status)
	}
	proxied := func(n int) *http.Client { return through(t, at[2], 1, fmt.Sprintf("198.51.100.%d:1", n), nil) }
	for range 3 {
		if _, _, err := p.dialThrough(proxied(1), "ws://"+at[2]+"/echo"); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := p.dialThrough(proxied(1), "ws://"+at[2]+"/echo"); err == nil {
		t.Error("a client has four connections; the limit is 3")
	}
	if _, _, err := p.dialThrough(proxied(2), "ws://"+at[2]+"/echo"); err != nil {
		t.Errorf("another client: %v", err)
	}
}

// Topics belong to the address that the proxy tells.
func TestProxyProtocolOwners(t *testing.T) {
	p := start(t, "-addr", "127.0.0.1:0 proxy-protocol", "-max-topics-per-addr", "1")
	at := p.addrs()[1]
	open := func(from, topic string) error {
		c, _, err := p.dialThrough(through(t, at, 2, from, nil), "ws://"+at+"/topics/"+topic+"?position=1")
		if err == nil {
			_, _, err = c.Read(p.ctx())
		}
		return err
	}
	if err := open("192.0.2.1:1", "a"); err != nil {
		t.Fatal(err)
	}
	if err := open("192.0.2.1:2", "b"); err == nil {
		t.Error("a client creates two topics; the limit is 1")
	}
	if err := open("192.0.2.2:1", "c"); err != nil {
		t.Errorf("another client: %v", err)
	}
}

// Peers in -proxy-protocol must send the header, others must not. What is refused is counted and logged.
func TestProxyProtocolPeers(t *testing.T) {
	for peers, want := range map[string]bool{"loopback": true, "192.0.2.1": false} {
		p := start(t, "-proxy-protocol", peers)
		const header, request = "PROXY TCP4 192.0.2.1 203.0.113.9 1 2\r\n", "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
		for sent, proxied := range map[string]bool{header + request: true, request: false} {
			good := strings.HasPrefix(answer(t, p.addr, sent), "HTTP/1.1 200")
			if good != (proxied == want) {
				t.Errorf("-proxy-protocol %s: %q: %v", peers, sent, good)
			}
		}
		refused := func() bool { return strings.Contains(p.stderr.String(), "does not begin with a valid preamble") }
		if want && !settles(refused) || !want && refused() {
			t.Errorf("-proxy-protocol %s logs %s", peers, p.stderr.String())
		}
	}
}

// Whoever can connect can tell any address with the PROXY protocol, so none that is told is that of a trusted proxy, which may
// name users.
func TestProxyProtocolNamesNoUser(t *testing.T) {
	p := start(t, "-addr", "127.0.0.1:0", "-addr", "127.0.0.1:0 proxy-protocol", "-user-header", "X-User", "-trusted-proxies", "loopback,192.0.2.0/24",
		"-anonymous-write", "none", "-users-write", ">", "-anonymous-read", "none", "-users-read", ">")
	at := p.addrs()
	const fields = "Host: localhost\r\nX-User: ada\r\n"
	const post = "POST /topics/news HTTP/1.1\r\n" + fields + "Content-Type: text/plain\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx"
	const handshake = "GET /topics/news HTTP/1.1\r\n" + fields + "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	for _, c := range []struct {
		at, proxy       string
		post, handshake string
	}{
		{at[1], "", "200", "101"},
		{at[2], "PROXY TCP4 127.0.0.1 203.0.113.9 1 2\r\n", "403", "403"},
		{at[2], "PROXY TCP4 192.0.2.1 203.0.113.9 1 2\r\n", "403", "403"},
		{at[2], "PROXY TCP6 ::1 2001:db8::9 1 2\r\n", "403", "403"},
	} {
		if got := answer(t, c.at, c.proxy+post); !strings.HasPrefix(got, "HTTP/1.1 "+c.post) {
			t.Errorf("%q: a request gets %s", c.proxy, got)
		}
		if got := answer(t, c.at, c.proxy+handshake); !strings.HasPrefix(got, "HTTP/1.1 "+c.handshake) {
			t.Errorf("%q: a handshake gets %s", c.proxy, got)
		}
	}
}

// answer returns the first line of what the server sends; it may be empty.
func answer(t *testing.T, addr, request string) string {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_, _ = io.WriteString(nc, request)
	line, _ := bufio.NewReader(nc).ReadString('\n')
	return line
}
