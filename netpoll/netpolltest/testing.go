// Package netpolltest helps to test servers: it checks for goroutines and file descriptors
// that are left over, collects output, and makes certificates. It imports nothing of Fanfare.
package netpolltest

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// Settles waits until cond holds, for so long at most, and reports whether it does.
func Settles(most time.Duration, cond func() bool) bool {
	limit := time.After(most)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-limit:
			return false
		case <-tick.C:
		}
	}
	return true
}

// Output collects what a program prints, which tests read while it runs.
type Output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

// String returns all that was printed so far.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// Certificate writes the certificate of the standard library's test server and its key
// to files, and returns what trusts it.
func Certificate(t testing.TB) (cert, key string, trust *tls.Config) {
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
	return write("cert.pem", "CERTIFICATE", pair.Certificate[0]), write("key.pem", "PRIVATE KEY", der), &tls.Config{RootCAs: pool}
}
