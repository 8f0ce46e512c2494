package main

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/certs/certstest"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/config"
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

// alone is set in the environment of a process for TestACME.
const alone = "RUN_ALONE"

// The program gets its certificate from a CA, which connects to the listener that clients use, or to one without TLS.
func TestACME(t *testing.T) {
	if os.Getenv(alone) == "" {
		c := exec.Command(os.Args[0], "-test.run=^TestACME$")
		c.Env = append(os.Environ(), alone+"=1")
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	for name, plain := range map[string]bool{"TLS-ALPN-01": false, "HTTP-01": true} {
		t.Run(name, func(t *testing.T) { testACME(t, plain) })
	}
}

func testACME(t *testing.T, plain bool) {
	ca := certstest.New(t, true)
	dir := filepath.Join(t.TempDir(), "acme")
	args := []string{"-acme-domains", ca.Domain, "-acme-ca", ca.URL(), "-acme-ca-root", ca.RootFile(t), "-acme-storage", dir, "-acme-agree", "-token-file", secretFile(t, "sesame")}
	if plain {
		args = append(args, "-addr", "127.0.0.1:0 tls=off")
	}
	p := start(t, args...)
	at := p.addrs()
	httpPort, tlsPort := 1, portOf(at[0])
	if plain {
		httpPort, tlsPort = portOf(at[1]), 1
	}
	ca.Begin(t, httpPort, tlsPort, "", "")
	if !settles(func() bool { return strings.Contains(p.stderr.String(), "certificate in use") }) {
		t.Fatalf("no certificate: %s", p.stderr.String())
	}
	tr := &http.Transport{TLSClientConfig: ca.Trust()}
	t.Cleanup(tr.CloseIdleConnections)
	c, _, err := websocket.Dial(p.ctx(), "wss://"+p.addr+"/echo", &websocket.DialOptions{HTTPClient: &http.Client{Transport: tr}, HTTPHeader: http.Header{"Authorization": {"Bearer sesame"}}})
	if err != nil {
		t.Fatal(err)
	}
	p.send(c, "hello")
	p.wants(c, websocket.MessageText, "hello")
	_ = c.CloseNow()
	if s := p.stderr.String(); strings.Contains(s, "level=ERROR") || strings.Contains(s, "sesame") {
		t.Errorf("the log is\n%s", s)
	}
	if s, err := os.Stat(dir); err != nil || s.Mode().Perm() != 0o700 {
		t.Errorf("the directory: %v, %v", s, err)
	}
}

// The listener with TLS is the one that the CA reaches, rather than one that only this machine reaches.
func TestChallenged(t *testing.T) {
	one := func(addr string, secure bool) openListener {
		at, _ := net.ResolveTCPAddr("tcp", addr)
		return openListener{Listener: &config.Listener{Addr: addr}, at: at, secure: secure}
	}
	unix := openListener{Listener: &config.Listener{Addr: "unix:/s"}, at: &net.UnixAddr{Name: "/s"}, secure: true}
	for _, c := range []struct {
		all          []openListener
		secure, open string
	}{
		{[]openListener{unix, one("127.0.0.1:8443", true), one("0.0.0.0:443", true), one("127.0.0.1:80", false)}, "0.0.0.0:443", ""},
		{[]openListener{one("0.0.0.0:80", false), one("0.0.0.0:443", true)}, "0.0.0.0:443", "0.0.0.0:80"},
		{[]openListener{one("192.0.2.1:80", false), one("0.0.0.0:443", true)}, "0.0.0.0:443", ""},
		{[]openListener{one("127.0.0.1:80", false), one("127.0.0.1:443", true)}, "127.0.0.1:443", "127.0.0.1:80"},
		{[]openListener{one("0.0.0.0:80", false)}, "", "0.0.0.0:80"},
		{[]openListener{unix}, "", ""},
	} {
		secure, open := challenged(c.all)
		text := func(a net.Addr) string {
			if a == nil {
				return ""
			}
			return a.String()
		}
		if text(secure) != c.secure || text(open) != c.open {
			t.Errorf("%v and %v, want %s and %s", secure, open, c.secure, c.open)
		}
	}
}

// A certificate is replaced at SIGHUP. Nothing is reloaded if it is unusable.
func TestCertificateAtHangup(t *testing.T) {
	cert, key, trust := netpolltest.Certificate(t)
	good, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "fanfare.toml")
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(file, "compress = false\n")
	c := startChild(t, "-cert", cert, "-key", key, "-config", file)
	write(cert, "nonsense")
	write(file, "verbose = true\n")
	c.hangUp("nothing was reloaded")
	write(cert, string(good))
	c.hangUp("reloaded the configuration")
	conn, err := tls.Dial("tcp", c.addr, trust)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}
