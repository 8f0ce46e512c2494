// Package certstest runs a certificate authority in the process of a test. It is pebble, of Let's Encrypt.
package certstest

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"
)

// count numbers the domains: certmagic delays the renewal of a domain after a failure, and a renewal that the end of a
// test interrupts is one.
var count atomic.Int64

// CA is a certificate authority, for which all names are this machine. Its methods may be called from any goroutine.
type CA struct {
	Domain  string         // that no other CA of this process has
	Roots   *x509.CertPool // trust the authority's own server
	Refused atomic.Int64   // requests while it was down

	server  *httptest.Server
	handler atomic.Pointer[http.Handler]
	ca      *ca.CAImpl
	patient bool
	ready   chan struct{} // closed by the first Begin
	once    sync.Once
}

// New returns an authority that is down until Begin: it answers with 503, or, if it is patient, not at all until then.
func New(t testing.TB, patient bool) *CA {
	t.Helper()
	for name, value := range map[string]string{"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"} {
		t.Setenv(name, value)
	}
	c := &CA{Domain: fmt.Sprintf("chat%d.fanfare.test", count.Add(1)), Roots: x509.NewCertPool(), patient: patient, ready: make(chan struct{})}
	c.server = httptest.NewTLSServer(http.HandlerFunc(c.serve))
	t.Cleanup(c.server.Close)
	c.Roots.AddCert(c.server.Certificate())
	return c
}

func (c *CA) serve(w http.ResponseWriter, r *http.Request) {
	if c.patient {
		select {
		case <-c.ready:
		case <-r.Context().Done():
		}
	}
	if h := c.handler.Load(); h != nil {
		(*h).ServeHTTP(w, r)
		return
	}
	c.Refused.Add(1)
	w.WriteHeader(http.StatusServiceUnavailable)
}

// URL returns the address of the authority's directory.
func (c *CA) URL() string { return c.server.URL + wfe.DirectoryPath }

// RootFile returns the name of a file, in PEM, with the certificate that the authority's own server has.
func (c *CA) RootFile(t testing.TB) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "root.pem")
	b := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.server.Certificate().Raw})
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// Begin makes the authority answer, and check domains at these ports. With a key ID, accounts must be bound to it.
func (c *CA) Begin(t testing.TB, httpPort, tlsPort int, keyID, key string) {
	t.Helper()
	quiet := log.New(io.Discard, "", 0)
	store := db.NewMemoryStore()
	if keyID != "" {
		if err := store.AddExternalAccountKeyByID(keyID, key); err != nil {
			t.Fatal(err)
		}
	}
	profiles := map[string]ca.Profile{"default": {Description: "a day", ValidityPeriod: 86400}}
	c.ca = ca.New(quiet, store, "", "ecdsa", 0, 1, profiles)
	checker := va.New(quiet, httpPort, tlsPort, false, nameServer(t), store)
	front := wfe.New(quiet, store, checker, c.ca, []string{"pebble.test"}, false, keyID != "", 1, 1)
	h := front.Handler()
	c.handler.Store(&h)
	c.once.Do(func() { close(c.ready) })
}

// End makes the authority be down.
func (c *CA) End() { c.handler.Store(nil) }

// Trust returns what trusts the certificates of the authority.
func (c *CA) Trust() *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(c.ca.GetRootCert(0).Cert)
	return &tls.Config{RootCAs: pool, ServerName: c.Domain}
}

// nameServer is a DNS server for which all names are this machine.
func nameServer(t testing.TB) (addr string) {
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
