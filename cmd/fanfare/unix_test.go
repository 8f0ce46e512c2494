package main

import (
	"context"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/fanfare-ws/fanfare/hub/wire"
)

// overUnix returns a client whose connections are to a Unix socket.
func overUnix(t *testing.T, path string) *http.Client {
	tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// A proxy on a Unix socket names users and addresses by default and if the list has the word unix, for handshakes and for
// requests of the API.
func TestProxyOnUnixSocket(t *testing.T) {
	for _, c := range []struct {
		flags   string
		trusted bool
	}{{"", true}, {"-trusted-proxies unix,loopback", true}, {"-trusted-proxies loopback", false}, {"-trusted-proxies none", false}} {
		path := filepath.Join(t.TempDir(), "s")
		flags := append(strings.Fields(c.flags), "-addr", "127.0.0.1:0,unix:"+path, "-user-header", "X-User", "-users-write", "{user}", "-anonymous-write", "none")
		p := start(t, flags...)
		client, header := overUnix(t, path), http.Header{"X-User": {"ada"}}
		conn, _, err := p.dialThrough(client, "ws://localhost/topics/ada")
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.CloseNow()
		user := map[bool]string{true: "ada"}[c.trusted]
		if got := userOver(p, client, header); got != user {
			t.Errorf("%s: the user at /hub is %q, not %q", c.flags, got, user)
		}
		r, _ := http.NewRequest("POST", "http://localhost/topics/ada", strings.NewReader("x"))
		r.Header = header
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if (resp.StatusCode == 200) != c.trusted {
			t.Errorf("%s: the request gets %s", c.flags, resp.Status)
		}
	}
}

// userOver returns the user whom the hello names.
func userOver(p *program, client *http.Client, header http.Header) string {
	p.t.Helper()
	conn, _, err := websocket.Dial(p.ctx(), "ws://localhost/hub", &websocket.DialOptions{Subprotocols: []string{wire.Protocol}, HTTPHeader: header, HTTPClient: client})
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = conn.CloseNow() }()
	_, b, err := conn.Read(p.ctx())
	e, wrong := wire.ParseEvent(b)
	if err != nil || wrong != nil || e.Hello == nil {
		p.t.Fatalf("%s: %v %v", b, err, wrong)
	}
	return e.Hello.User
}
