package certs

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"

	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// count numbers the domains: certmagic delays the renewal of a domain after a failure, and a renewal that the end of a
// test interrupts is one.
var count atomic.Int64

// pebble is a CA in this process. It is down until begin.
type pebble struct {
	server  *httptest.Server
	handler atomic.Pointer[http.Handler]
	ca      *ca.CAImpl
	domain  string
	refused atomic.Int64 // requests while it was down
}

func newPebble(t *testing.T) *pebble {
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	t.Setenv("PEBBLE_WFE_NONCEREJECT", "0")
	t.Setenv("PEBBLE_AUTHZREUSE", "0")
	p := &pebble{domain: fmt.Sprintf("chat%d.fanfare.test", count.Add(1))}
	p.server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h := p.handler.Load(); h != nil {
			(*h).ServeHTTP(w, r)
			return
		}
		p.refused.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(p.server.Close)
	return p
}

// begin makes the CA answer, and check domains at these ports. With a key ID, accounts must be bound to it.
func (p *pebble) begin(t *testing.T, httpPort, tlsPort int, keyID, key string) {
	t.Helper()
	quiet := log.New(io.Discard, "", 0)
	store := db.NewMemoryStore()
	if keyID != "" {
		if err := store.AddExternalAccountKeyByID(keyID, key); err != nil {
			t.Fatal(err)
		}
	}
	profiles := map[string]ca.Profile{"default": {Description: "a day", ValidityPeriod: 86400}}
	p.ca = ca.New(quiet, store, "", "ecdsa", 0, 1, profiles)
	checker := va.New(quiet, httpPort, tlsPort, false, nameServer(t), store)
	front := wfe.New(quiet, store, checker, p.ca, []string{"pebble.test"}, false, keyID != "", 1, 1)
	h := front.Handler()
	p.handler.Store(&h)
}

// trust returns what trusts the certificates of the CA.
func (p *pebble) trust() *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(p.ca.GetRootCert(0).Cert)
	return &tls.Config{RootCAs: pool, ServerName: p.domain}
}

// options returns the options for certificates of this CA.
func (p *pebble) options(t *testing.T) ACMEOptions {
	pool := x509.NewCertPool()
	pool.AddCert(p.server.Certificate())
	return ACMEOptions{
		Domains: []string{p.domain}, Storage: filepath.Join(t.TempDir(), "acme"), Agreed: true, Email: "ops@fanfare.test",
		CA: p.server.URL + wfe.DirectoryPath, Roots: pool, Logger: slog.New(slog.DiscardHandler),
	}
}

// nameServer is a DNS server for which all names are this machine.
func nameServer(t *testing.T) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &dns.Server{Listener: l, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		if q.Question[0].Qtype == dns.TypeA {
			m.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.IPv4(127, 0, 0, 1)}}
		}
		_ = w.WriteMsg(m)
	})}
	go func() { _ = s.ActivateAndServe() }()
	t.Cleanup(func() { s.Shutdown() })
	return l.Addr().String()
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
	p := newPebble(t)
	o := p.options(t)
	var output netpolltest.Output
	o.Logger = slog.New(slog.NewTextHandler(&output, nil))
	a := newACME(t, o)
	at := serveTLS(t, TLSConfig(nil, a))
	p.begin(t, 1, port(at), "", "")
	if _, err := connect(at.String(), p.trust()); err == nil {
		t.Error("a handshake before Start succeeds")
	}
	if err := a.Start(at, nil); err != nil {
		t.Fatal(err)
	}
	if err := a.Start(at, nil); err == nil {
		t.Error("it starts twice")
	}
	wait(t, a)
	first, err := connect(at.String(), p.trust())
	if err != nil {
		t.Fatal(err)
	}
	if d := a.Domains(); len(d) != 1 || d[0].Name != p.domain || !d[0].Expires.Equal(first.NotAfter) || d[0].Fault != "" {
		t.Errorf("%+v", d)
	}
	if !strings.Contains(output.String(), "certificate obtained") || strings.Contains(output.String(), "level=ERROR") {
		t.Errorf("the log is\n%s", &output)
	}
	checkNames(t, at.String(), p, first)
	a.Close()

	p.handler.Store(nil)
	again := newACME(t, o)
	at = serveTLS(t, TLSConfig(nil, again))
	if err := again.Start(at, nil); err != nil {
		t.Fatal(err)
	}
	wait(t, again)
	if second, err := connect(at.String(), p.trust()); err != nil || !bytes.Equal(first.Raw, second.Raw) {
		t.Errorf("after a restart: %v", err)
	}
	info, err := os.Stat(o.Storage)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory is open to others: %v, %v", info.Mode(), err)
	}
}

// checkNames checks what clients get that name the domain in another way, another domain, or none.
func checkNames(t *testing.T, addr string, p *pebble, want *x509.Certificate) {
	t.Helper()
	insecure := func(name string, protocols ...string) (*x509.Certificate, error) {
		return connect(addr, &tls.Config{ServerName: name, InsecureSkipVerify: true, NextProtos: protocols})
	}
	for _, name := range []string{"", strings.ToUpper(p.domain)} {
		if c, err := insecure(name, "http/1.1"); err != nil || !c.Equal(want) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := insecure("other.test"); err == nil {
		t.Error("a client that asks for another domain gets a certificate")
	}
	for _, name := range []string{p.domain, "other.test"} {
		if _, err := insecure(name, "acme-tls/1"); err == nil {
			t.Errorf("a challenge for %s that the CA has not made is answered", name)
		}
	}
}

// The CA checks the domain with a plain request. The account is bound to one that the operator has.
func TestHTTPWithExternalAccount(t *testing.T) {
	p := newPebble(t)
	o := p.options(t)
	o.KeyID, o.MACKey = "kid-1", "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
	a := newACME(t, o)
	plain := httptest.NewServer(a.Handler(http.NotFoundHandler()))
	t.Cleanup(plain.Close)
	at := plain.Listener.Addr()
	p.begin(t, port(at), 1, o.KeyID, o.MACKey)
	if err := a.Start(nil, at); err != nil {
		t.Fatal(err)
	}
	wait(t, a)
	if _, err := handshake(t, TLSConfig(nil, a), p.trust()); err != nil {
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
	p := newPebble(t)
	o := p.options(t)
	var output netpolltest.Output
	o.Logger = slog.New(slog.NewTextHandler(&output, nil))
	a := newACME(t, o)
	files, err := LoadFiles([]Pair{issue(t, t.TempDir(), "other.test", 7)}, nil)
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
	insecure := &tls.Config{ServerName: p.domain, InsecureSkipVerify: true}
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
	if n := strings.Count(output.String(), "level=ERROR"); n != 1 || p.refused.Load() == 0 {
		t.Errorf("%d errors are logged after %d requests:\n%s", n, p.refused.Load(), &output)
	}
	p.begin(t, 1, port(at), "", "")
	a.Retry()
	wait(t, a)
	if _, err := connect(at.String(), p.trust()); err != nil || a.Domains()[0].Fault != "" {
		t.Errorf("%v, %+v", err, a.Domains())
	}
}

// Certificates are renewed while the server runs.
func TestRenewal(t *testing.T) {
	p := newPebble(t)
	o := p.options(t)
	o.renewCheck, o.renewRatio = 10*time.Millisecond, 1-1e-9
	a := newACME(t, o)
	at := serveTLS(t, TLSConfig(nil, a))
	p.begin(t, 1, port(at), "", "")
	if err := a.Start(at, nil); err != nil {
		t.Fatal(err)
	}
	wait(t, a)
	seen := make(map[string]bool)
	if !netpolltest.Settles(time.Minute, func() bool {
		c, err := connect(at.String(), p.trust())
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
	p := newPebble(t)
	o := p.options(t)
	a := newACME(t, o)
	at := serveTLS(t, TLSConfig(nil, a))
	p.begin(t, 1, port(at), "", "")
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
