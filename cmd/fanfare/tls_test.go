package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

// TestTLS goes through the whole program: page, publishing and WebSockets.
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

// certificate writes the certificate of the standard library's test server, and
// returns a client that trusts it.
func certificate(t *testing.T) (cert, key string, client *http.Client) {
	t.Helper()
	s := httptest.NewTLSServer(nil)
	s.Close()
	pair := s.TLS.Certificates[0]
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, typ string, der []byte) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: typ, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	t.Cleanup(tr.CloseIdleConnections)
	return write("cert.pem", "CERTIFICATE", pair.Certificate[0]), write("key.pem", "PRIVATE KEY", der), &http.Client{Transport: tr}
}
