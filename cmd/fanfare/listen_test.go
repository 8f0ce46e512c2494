package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
)

// loopback6 returns the loopback address of IPv6, or that of IPv4 if this machine has none.
func loopback6() string {
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		return "127.0.0.1"
	}
	l.Close()
	return "[::1]"
}

// The greeting gives the command that loads the server only where it works.
func TestGreetingOfLoads(t *testing.T) {
	t.Chdir("../..")
	token := secretFile(t, strings.Repeat("x", 32))
	for _, c := range []struct {
		args []string
		at   string
		says bool
	}{{nil, ".", true}, {[]string{"-jwt-secret-files", token}, ".", false}, {nil, t.TempDir(), false}} {
		t.Chdir(c.at)
		if p := start(t, c.args...); strings.Contains(p.stdout.String(), "fanfare-load idle") != c.says {
			t.Errorf("%v in %s: %s", c.args, c.at, p.stdout.String())
		}
	}
}

// Listeners differ in TLS and in the kind of their address, and the greeting says how to reach each of them.
func TestDifferentListeners(t *testing.T) {
	cert, key, trust := netpolltest.Certificate(t)
	path := filepath.Join(t.TempDir(), "s")
	p := start(t, "-cert", cert, "-key", key, "-addr", "127.0.0.1:0", "-addr", "127.0.0.1:0 tls=off", "-addr", loopback6()+":0 tls=off",
		"-addr", "unix:"+path+" mode=0660 tls=off", "-addr", "127.0.0.1:0 tls=off proxy-protocol")
	at := p.addrs()
	if len(at) != 6 || at[4] != path || !strings.HasPrefix(at[3], loopback6()+":") {
		t.Fatalf("it listens at %q", at)
	}
	for n, says := range []string{"(https://" + at[0] + "/)", "(https://" + at[1] + "/)", "(http://" + at[2] + "/)", "(http://" + at[3] + "/)", "curl --unix-socket " + path + " http://localhost/healthz", "PROXY protocol"} {
		if !strings.Contains(p.stdout.String(), "Fanfare is listening on "+at[n]+"  (") || !strings.Contains(p.stdout.String(), says) {
			t.Errorf("the greeting does not say %q: %s", says, p.stdout.String())
		}
	}
	for n, scheme := range map[int]string{0: "https", 1: "https", 2: "http", 3: "http", 4: "http"} {
		network := "tcp"
		if n == 4 {
			network = "unix"
		}
		tr := &http.Transport{TLSClientConfig: trust.Clone(), DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, at[n])
		}}
		tr.TLSClientConfig.ServerName = "example.com" // of the certificate
		c := &http.Client{Transport: tr}
		resp, err := c.Get(scheme + "://localhost/healthz")
		if err != nil {
			t.Fatalf("%s: %v", at[n], err)
		}
		b, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if !strings.Contains(string(b), `"status":"ok"`) {
			t.Errorf("%s: %s", at[n], b)
		}
		conn, _, err := websocket.Dial(p.ctx(), scheme+"://localhost/echo", &websocket.DialOptions{HTTPClient: c})
		if err != nil {
			t.Fatalf("%s: %v", at[n], err)
		}
		p.send(conn, "hello")
		p.wants(conn, websocket.MessageText, "hello")
		_ = conn.CloseNow()
		tr.CloseIdleConnections()
	}
}
