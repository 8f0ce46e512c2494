package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// issue writes a self-signed certificate for a name.
func issue(t testing.TB, dir, name string, serial int64) Pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), DNSNames: []string{name},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33+serial, 0),
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	p := Pair{filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")}
	write(t, p.Cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}))
	write(t, p.Key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	return p
}

func write(t testing.TB, file string, data []byte) {
	t.Helper()
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	// The new version must differ from the old one in its time, too, however coarse the clock of the file system is.
	at := time.Now().Add(time.Duration(len(data)) * time.Hour)
	if err := os.Chtimes(file, at, at); err != nil {
		t.Fatal(err)
	}
}

func serial(c *tls.Certificate) int64 { return c.Leaf.SerialNumber.Int64() }

// Time passes by argument: the files are looked at once a second.
func TestFilesAreWatched(t *testing.T) {
	dir := t.TempDir()
	p := issue(t, dir, "a.test", 1)
	var log strings.Builder
	f, err := LoadFiles([]Pair{p}, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	now := f.looked
	look := func(after time.Duration, want int64, words string) {
		t.Helper()
		log.Reset()
		now = now.Add(after)
		f.look(now)
		if got := serial(&(*f.current.Load())[0]); got != want {
			t.Errorf("certificate %d, want %d", got, want)
		}
		if words == "" && log.Len() > 0 || !strings.Contains(log.String(), words) {
			t.Errorf("logged %q, want %q", log.String(), words)
		}
	}
	look(time.Minute, 1, "")
	issue(t, dir, "a.test", 20)
	look(time.Second-1, 1, "")
	look(1, 20, "new certificate files loaded")

	key, _ := os.ReadFile(p.Key)
	issue(t, dir, "a.test", 300)
	newKey, _ := os.ReadFile(p.Key)
	write(t, p.Key, key) // the certificate is new, its key not yet
	look(time.Second, 20, "does not match")
	look(time.Second, 20, "") // the same again is no news
	write(t, p.Key, newKey)
	look(time.Second, 300, "new certificate files loaded")

	os.Remove(p.Cert)
	look(time.Second, 300, "no such file")
	issue(t, dir, "a.test", 4000)
	look(time.Second, 4000, "new certificate files loaded")
}

func TestReload(t *testing.T) {
	dir := t.TempDir()
	p := issue(t, dir, "a.test", 1)
	f, err := LoadFiles([]Pair{p}, nil)
	if err != nil {
		t.Fatal(err)
	}
	issue(t, dir, "a.test", 2)
	if err := f.Reload(); err != nil || serial(&(*f.current.Load())[0]) != 2 {
		t.Errorf("%v", err)
	}
	write(t, p.Cert, []byte("nonsense"))
	if err := f.Reload(); err == nil || !strings.Contains(err.Error(), p.Cert) || serial(&(*f.current.Load())[0]) != 2 {
		t.Errorf("%v", err)
	}
	if end := f.Expires(); end.Unix() != 1<<33+2 {
		t.Errorf("expires %v", end)
	}
	for _, pairs := range [][]Pair{nil, {{p.Cert, p.Key}}, {{"none", p.Key}}} {
		if _, err := LoadFiles(pairs, nil); err == nil {
			t.Errorf("%v: no error", pairs)
		}
	}
}

// Of several pairs, a client gets the one for the name that it asks for.
func TestSeveralPairs(t *testing.T) {
	dir := t.TempDir()
	f, err := LoadFiles([]Pair{issue(t, dir, "a.test", 1), issue(t, dir, "b.test", 2)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int64{"a.test": 1, "b.test": 2, "c.test": 1, "": 1} {
		got, err := handshake(t, TLSConfig(f, nil), &tls.Config{ServerName: name, InsecureSkipVerify: true})
		if err != nil || got.SerialNumber.Int64() != want {
			t.Errorf("%q: %v, %v", name, got.SerialNumber, err)
		}
	}
	if f.Expires().Unix() != 1<<33+1 {
		t.Errorf("expires %v", f.Expires())
	}
}

// handshake returns the certificate that a client gets.
func handshake(t testing.TB, server, client *tls.Config) (*x509.Certificate, error) {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", server)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	done := make(chan struct{})
	defer func() { <-done }()
	go func() {
		defer close(done)
		c, err := l.Accept()
		if err == nil {
			_ = c.(*tls.Conn).Handshake()
			c.Close()
		}
	}()
	return connect(l.Addr().String(), client)
}

// connect returns the certificate of a server.
func connect(addr string, client *tls.Config) (*x509.Certificate, error) {
	c, err := tls.Dial("tcp", addr, client)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0], nil
}

func TestNoCertificates(t *testing.T) {
	if _, err := handshake(t, TLSConfig(nil, nil), &tls.Config{InsecureSkipVerify: true}); err == nil {
		t.Error("a handshake without a certificate succeeds")
	}
	if c := TLSConfig(nil, nil); c.GetConfigForClient != nil || len(c.NextProtos) != 1 || c.MinVersion != tls.VersionTLS12 {
		t.Errorf("%+v", c.NextProtos)
	}
}
