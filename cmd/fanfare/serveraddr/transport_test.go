package serveraddr

import (
	"bufio"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// get returns what the server at an address answers.
func get(t *testing.T, address string, trust *tls.Config) (string, error) {
	t.Helper()
	a, err := Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	tr := a.Transport(trust, false)
	defer tr.CloseIdleConnections()
	resp, err := (&http.Client{Transport: tr}).Get(a.URL.String())
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}

func answer(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello") }

// Only the authorities in the file are trusted.
func TestTrustOnly(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(answer))
	defer s.Close()
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "good"), filepath.Join(dir, "bad")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	for name, text := range map[string][]byte{good: text, bad: []byte("no certificate")} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	trust, err := TrustOnly(good)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := get(t, s.URL, trust); got != "hello" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := get(t, s.URL, nil); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("without the file: %v", err)
	}
	for name, says := range map[string]string{bad: bad + ": the file has no certificate in PEM", dir + "/none": dir + "/none: no such file or directory"} {
		if _, err := TrustOnly(name); err == nil || err.Error() != says {
			t.Errorf("%v, want %s", err, says)
		}
	}
}

// A Unix socket is reached by its path, whatever the host is.
func TestSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(answer)}
	done := make(chan error)
	go func() { done <- s.Serve(l) }()
	if got, err := get(t, "unix:"+path, nil); got != "hello" {
		t.Errorf("%q, %v", got, err)
	}
	s.Close()
	<-done
}

// The header of the PROXY protocol comes before everything else.
func TestPreamble(t *testing.T) {
	l := netListener(t)
	lines := make(chan string, 2)
	go func() {
		defer close(lines)
		nc, err := l.Accept()
		if err != nil {
			return
		}
		defer nc.Close()
		for r := bufio.NewReader(nc); len(lines) < cap(lines); {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			lines <- line
		}
		fmt.Fprint(nc, "HTTP/1.1 204 No Content\r\n\r\n")
	}()
	a, err := OfListener("-addr", l.Addr().String(), false)
	if err != nil {
		t.Fatal(err)
	}
	tr := a.Transport(nil, true)
	defer tr.CloseIdleConnections()
	resp, err := (&http.Client{Transport: tr}).Get(a.URL.String())
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if first, second := <-lines, <-lines; first != "PROXY UNKNOWN\r\n" || second != "GET / HTTP/1.1\r\n" {
		t.Errorf("it begins with %q %q", first, second)
	}
}

func netListener(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}
