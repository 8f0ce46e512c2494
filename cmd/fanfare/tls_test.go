package main

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
)

// TestTLS uses page, publishing and WebSockets over TLS.
func TestTLS(t *testing.T) {
	cert, key, client := certificate(t)
	p := start(t, "-cert", cert, "-key", key)
	if out := p.stdout.String(); !strings.Contains(out, "wss://"+p.addr+"/echo") || !strings.Contains(out, "https://"+p.addr+"/") {
		t.Errorf("it says %q", out)
	}
	c, _, err := websocket.Dial(p.ctx(), "wss://"+p.addr+"/topics/x", &websocket.DialOptions{HTTPClient: client})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.CloseNow() }()
	if !settles(func() bool {
		resp, err := client.Post("https://"+p.addr+"/topics/x", "text/plain", strings.NewReader("hello"))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}) {
		t.Fatal("publishing fails")
	}
	p.wants(c, websocket.MessageText, "hello")
	if says := p.stdout.String(); !strings.Contains(says, "add -k to curl and -insecure to fanfare-load") {
		t.Errorf("the start does not say how to connect with a self-signed certificate: %s", says)
	}
	resp, err := client.Get("https://" + p.addr + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(b), `"ok"`) {
		t.Errorf("/healthz: %s %q, %v", resp.Status, b, err)
	}
	if resp, body := p.request("GET", "/", "", nil); resp.StatusCode != http.StatusBadRequest || !strings.Contains(body, "https://") {
		t.Errorf("to http:// it says %s %q", resp.Status, body)
	}
	_ = c.Close(websocket.StatusNormalClosure, "")
}

// certificate returns files with a certificate and its key, and a client that trusts it.
func certificate(t *testing.T) (cert, key string, client *http.Client) {
	t.Helper()
	cert, key, trust := netpolltest.Certificate(t)
	tr := &http.Transport{TLSClientConfig: trust}
	t.Cleanup(tr.CloseIdleConnections)
	return cert, key, &http.Client{Transport: tr}
}
