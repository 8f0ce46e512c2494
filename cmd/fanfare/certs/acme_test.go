package certs

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/certs/certstest"
	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// options returns the options for certificates of a CA.
func options(t *testing.T, ca *certstest.CA) ACMEOptions {
	return ACMEOptions{
		Domains: []string{ca.Domain}, Storage: filepath.Join(t.TempDir(), "acme"), Agreed: true, Email: "ops@fanfare.test",
		CA: ca.URL(), Roots: ca.Roots, Logger: slog.New(slog.DiscardHandler),
	}
}

func newACME(t *testing.T, o ACMEOptions) *ACME {
	t.Helper()
	a, err := NewACME(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		a.Close()
		a.Close() // once more is of no effect
		checkGoroutines(t)
	})
	return a
}

// checkGoroutines finds goroutines that Close should have ended.
func checkGoroutines(t *testing.T) {
	t.Helper()
	stacks := make([]byte, 1<<20)
	var left string
	if !netpolltest.Settles(10*time.Second, func() bool {
		left = string(stacks[:runtime.Stack(stacks, true)])
		return !strings.Contains(left, "certs.(*ACME)") && !strings.Contains(left, "maintainAssets") && !strings.Contains(left, "jobManager")
	}) {
		t.Errorf("goroutines are left over:\n%s", left)
	}
}

// serveTLS runs a server of this project with the certificates.
func serveTLS(t *testing.T, c *tls.Config) net.Addr {
	t.Helper()
	s := &wsproto.Server{TLSConfig: c, Logger: slog.New(slog.DiscardHandler)}
	at, err := s.ListenTLS("127.0.0.1:0", "", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		_ = s.Shutdown(ended)
	})
	return at
}

func port(a net.Addr) int { return a.(*net.TCPAddr).Port }

func wait(t *testing.T, a *ACME) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := a.Wait(ctx); err != nil {
		t.Fatalf("%v; %+v", err, a.Domains())
	}
}

// The CA checks the domain at the listener itself. The certificate survives a restart, without the CA.
func TestTLSALPN(t *testing.T) {
	p := certstest.New(t, false)
	o := options(t, p)
	var output netpolltest.Output
	o.Logger = slog.New(slog.NewTextHandler(&output, nil))
	a := newACME(t, o)
	at := serveTLS(t, TLSConfig(nil, a))
	p.Begin(t, 1, port(at), "", "")
	if _, err := connect(at.String(), p.Trust()); err == nil {
		t.Error("a handshake before Start succeeds")
	}
	if err := a.Start(at, nil); err != nil {
		t.Fatal(err)
	}
	if err := a.Start(at, nil); err == nil {
		t.Error("it starts twice")
	}
	wait(t, a)
	first, err := connect(at.String(), p.Trust())
	if err != nil {
		t.Fatal(err)
	}
	if d := a.Domains(); len(d) != 1 || d[0].Name != p.Domain || !d[0].Expires.Equal(first.NotAfter) || !d[0].Begins.Equal(first.NotBefore) || d[0].Fault != "" {
		t.Errorf("%+v", d)
	}
	if !strings.Contains(output.String(), "certificate obtained") || strings.Contains(output.String(), "level=ERROR") {
		t.Errorf("the log is\n%s", &output)
	}
	checkNames(t, at.String(), p, first)
	a.Close()

	p.End()
	again := newACME(t, o)
	at = serveTLS(t, TLSConfig(nil, again))
	if err := again.Start(at, nil); err != nil {
		t.Fatal(err)
	}
	wait(t, again)
	if second, err := connect(at.String(), p.Trust()); err != nil || !bytes.Equal(first.Raw, second.Raw) {
		t.Errorf("after a restart: %v", err)
	}
	info, err := os.Stat(o.Storage)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory is open to others: %v, %v", info.Mode(), err)
	}
}

// checkNames checks what clients get that name the domain in another way, another domain, or none.
func checkNames(t *testing.T, addr string, p *certstest.CA, want *x509.Certificate) {
	t.Helper()
	insecure := func(name string, protocols ...string) (*x509.Certificate, error) {
		return connect(addr, &tls.Config{ServerName: name, InsecureSkipVerify: true, NextProtos: protocols})
	}
	for _, name := range []string{"", strings.ToUpper(p.Domain)} {
		if c, err := insecure(name, "http/1.1"); err != nil || !c.Equal(want) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := insecure("other.test"); err == nil {
		t.Error("a client that asks for another domain gets a certificate")
	}
	for _, name := range []string{p.Domain, "other.test"} {
		if _, err := insecure(name, "acme-tls/1"); err == nil {
			t.Errorf("a challenge for %s that the CA has not made is answered", name)
		}
	}
}

// The CA checks the domain with a plain request. The account is bound to one that the operator has.
func TestHTTPWithExternalAccount(t *testing.T) {
	p := certstest.New(t, false)
	o := options(t, p)
	o.KeyID, o.MACKey = "kid-1", "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
	a := newACME(t, o)
	plain := httptest.NewServer(a.Handler(http.NotFoundHandler()))
	t.Cleanup(plain.Close)
	at := plain.Listener.Addr()
	p.Begin(t, port(at), 1, o.KeyID, o.MACKey)
	if err := a.Start(nil, at); err != nil {
		t.Fatal(err)
	}
	wait(t, a)
	if _, err := handshake(t, TLSConfig(nil, a), p.Trust()); err != nil {
		t.Error(err)
	}
	for _, path := range []string{"/", "/.well-known/acme-challenge/abc"} {
		resp, err := http.Get(plain.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 404 {
			t.Errorf("%s: %s; it must reach the next handler", path, resp.Status)
		}
	}
}

// While the CA is down clients get the certificate of the files. The fault is logged once for each attempt; when the CA
// is back, Retry makes it quick.
func TestCAIsDown(t *testing.T) {
	p := certstest.New(t, false)
	o := options(t, p)
	var output netpolltest.Output
	o.Logger = slog.New(slog.NewTextHandler(&output, nil))
	a := newACME(t, o)
	cert, key := issue(t, t.TempDir(), "other.test", 7)
	files, err := wsproto.LoadCertificate(cert, key, nil)
	if err != nil {
		t.Fatal(err)
	}
	at := serveTLS(t, TLSConfig(files, a))
	alone := serveTLS(t, TLSConfig(nil, a))
	if err := a.Start(at, nil); err != nil {
		t.Fatal(err)
	}
	if !netpolltest.Settles(time.Minute, func() bool { return a.Domains()[0].Fault != "" }) {
		t.Fatal("the fault is not reported")
	}
	insecure := &tls.Config{ServerName: p.Domain, InsecureSkipVerify: true}
	if c, err := connect(at.String(), insecure); err != nil || c.SerialNumber.Int64() != 7 {
		t.Errorf("with files: %v", err)
	}
	if _, err := connect(alone.String(), insecure); err == nil {
		t.Error("without files: a handshake succeeds")
	}
	ended, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	cancel(why)
	if err := a.Wait(ended); err != why {
		t.Errorf("Wait: %v", err)
	}
	if n := strings.Count(output.String(), "level=ERROR"); n != 1 || p.Refused.Load() == 0 {
		t.Errorf("%d errors are logged after %d requests:\n%s", n, p.Refused.Load(), &output)
	}
	p.Begin(t, 1, port(at), "", "")
	a.Retry()
	wait(t, a)
	if _, err := connect(at.String(), p.Trust()); err != nil || a.Domains()[0].Fault != "" {
		t.Errorf("%v, %+v", err, a.Domains())
	}
}

// Certificates are renewed while the server runs.
func TestRenewal(t *testing.T) {
	p := certstest.New(t, false)
	o := options(t, p)
	o.renewCheck, o.renewRatio = 10*time.Millisecond, 1-1e-9
	a := newACME(t, o)
	at := serveTLS(t, TLSConfig(nil, a))
	p.Begin(t, 1, port(at), "", "")
	if err := a.Start(at, nil); err != nil {
		t.Fatal(err)
	}
	wait(t, a)
	seen := make(map[string]bool)
	if !netpolltest.Settles(time.Minute, func() bool {
		c, err := connect(at.String(), p.Trust())
		if err != nil {
			t.Fatal(err)
		}
		seen[c.SerialNumber.String()] = true
		return len(seen) >= 3
	}) {
		t.Errorf("%d certificates; %+v", len(seen), a.Domains())
	}
}

// A directory with a broken certificate is reported, and does not make the ACME ask the CA all the time.
func TestBrokenDirectory(t *testing.T) {
	p := certstest.New(t, false)
	o := options(t, p)
	a := newACME(t, o)
	at := serveTLS(t, TLSConfig(nil, a))
	p.Begin(t, 1, port(at), "", "")
	if err := a.Start(at, nil); err != nil {
		t.Fatal(err)
	}
	wait(t, a)
	a.Close()
	_ = filepath.WalkDir(o.Storage, func(path string, _ os.DirEntry, err error) error {
		if filepath.Ext(path) == ".crt" {
			return os.WriteFile(path, []byte("nonsense"), 0o600)
		}
		return err
	})
	again := newACME(t, o)
	if err := again.Start(at, nil); err != nil {
		t.Fatal(err)
	}
	if !netpolltest.Settles(time.Minute, func() bool { return strings.Contains(again.Domains()[0].Fault, o.Storage) }) {
		t.Errorf("%+v", again.Domains())
	}
}
