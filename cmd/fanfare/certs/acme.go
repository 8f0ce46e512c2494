package certs

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3/acme"
)

// ACME obtains and renews certificates.
type ACME struct {
	opts    ACMEOptions
	domains []string // in normal form
	log     *slog.Logger
	ready   chan struct{} // closed when all domains have certificates

	mu      sync.Mutex
	started bool
	run     *run // nil before Start and after Close
	missing int  // domains without a certificate
	faults  map[string]string
	retry   chan struct{} // closed by Retry, and then replaced
}

// run is what exists between Start and Close.
type run struct {
	ctx       context.Context
	cancel    context.CancelFunc
	wg        sync.WaitGroup
	cache     *certmagic.Cache
	issuer    *certmagic.ACMEIssuer
	config    *certmagic.Config
	challenge *certmagic.Config // config without a log: anybody can pretend to be the CA
}

// NewACME returns an ACME that does nothing yet, except that it makes the directory.
func NewACME(o ACMEOptions) (*ACME, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("certs: %w", err)
	}
	if err := os.MkdirAll(o.Storage, 0o700); err != nil {
		return nil, fmt.Errorf("certs: cannot make the directory for ACME: %w", err)
	}
	if o.CA == "" {
		o.CA = LetsEncrypt
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	a := &ACME{
		opts: o, log: o.Logger, ready: make(chan struct{}), retry: make(chan struct{}),
		missing: len(o.Domains), faults: make(map[string]string),
	}
	for _, d := range o.Domains {
		a.domains = append(a.domains, normalize(d))
	}
	return a, nil
}

// Start begins to obtain certificates, and returns at once. Listeners at the two addresses must exist already: one with
// TLSConfig, one that leads to Handler. Either may be nil. The CA must reach them at the ports 443 and 80 of each
// domain. If both are given they should have the same IP address; otherwise certmagic itself listens for HTTP while a
// challenge lasts.
func (a *ACME) Start(tlsAddr, httpAddr net.Addr) error {
	template, err := a.template(tlsAddr, httpAddr)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.started {
		return errors.New("certs: the ACME has been started already")
	}
	a.started = true
	a.run = a.newRun(template)
	for _, d := range a.domains {
		r := a.run
		r.wg.Go(func() { a.obtain(r, d) })
	}
	return nil
}

// template returns the part of certmagic that talks to the CA.
func (a *ACME) template(tlsAddr, httpAddr net.Addr) (t certmagic.ACMEIssuer, err error) {
	t = certmagic.ACMEIssuer{
		CA: a.opts.CA, Email: a.opts.Email, Agreed: true, TrustedRoots: a.opts.Roots, Logger: toSlog(a.log),
		DisableTLSALPNChallenge: tlsAddr == nil, DisableHTTPChallenge: httpAddr == nil,
	}
	if a.opts.KeyID != "" {
		t.ExternalAccount = &acme.EAB{KeyID: a.opts.KeyID, MACKey: a.opts.MACKey}
	}
	at, err := tcpAddr(tlsAddr, httpAddr)
	if err != nil {
		return t, err
	}
	// certmagic opens a listener of its own where it finds none.
	if at.tls != nil {
		t.AltTLSALPNPort, t.ListenHost = at.tls.Port, at.tls.IP.String()
	}
	if at.http != nil {
		t.AltHTTPPort = at.http.Port
		if at.tls == nil {
			t.ListenHost = at.http.IP.String()
		}
	}
	return t, nil
}

type addrs struct{ tls, http *net.TCPAddr }

func tcpAddr(tlsAddr, httpAddr net.Addr) (at addrs, err error) {
	var isTLS, isHTTP bool
	at.tls, isTLS = tlsAddr.(*net.TCPAddr)
	at.http, isHTTP = httpAddr.(*net.TCPAddr)
	switch {
	case tlsAddr == nil && httpAddr == nil:
		return at, errors.New("certs: ACME needs a listener that the CA can reach")
	case tlsAddr != nil && !isTLS:
		return at, fmt.Errorf("certs: ACME needs a TCP listener, not %v", tlsAddr)
	case httpAddr != nil && !isHTTP:
		return at, fmt.Errorf("certs: ACME needs a TCP listener, not %v", httpAddr)
	}
	return at, nil
}

func (a *ACME) newRun(template certmagic.ACMEIssuer) *run {
	r := new(run)
	r.ctx, r.cancel = context.WithCancel(context.Background())
	log := toSlog(a.log)
	r.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert:   func(certmagic.Certificate) (*certmagic.Config, error) { return r.config, nil },
		RenewCheckInterval: a.opts.renewCheck, Logger: log,
	})
	config := certmagic.Config{
		Storage: &certmagic.FileStorage{Path: a.opts.Storage}, DefaultServerName: a.domains[0], OnEvent: a.event, Logger: log,
		RenewalWindowRatio: a.opts.renewRatio,
		// Stapling would make the start wait for the network. CAs revoke through renewal information today (RFC 9773).
		OCSP: certmagic.OCSPConfig{DisableStapling: true},
		// Handshakes need no events.
		ShouldEmitFunc: func(name string) bool { return name != "tls_get_certificate" },
	}
	r.config = certmagic.New(r.cache, config)
	r.issuer = certmagic.NewACMEIssuer(r.config, template)
	r.config.Issuers = []certmagic.Issuer{r.issuer}
	config.Issuers, config.Logger = r.config.Issuers, silent()
	r.challenge = certmagic.New(r.cache, config)
	return r
}

// running returns nil before Start and after Close.
func (a *ACME) running() *run {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.run
}

var errNotStarted = errors.New("certs: ACME has not started")

// certificate returns the certificate of one of the domains, from memory.
func (a *ACME) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	r := a.running()
	if r == nil {
		return nil, errNotStarted
	}
	return r.config.GetCertificate(hello)
}

// challenge returns the certificate that the CA wants to see.
func (a *ACME) challenge(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	r := a.running()
	if r == nil {
		return nil, errNotStarted
	}
	if !slices.Contains(a.domains, normalize(hello.ServerName)) {
		return nil, fmt.Errorf("certs: a challenge for %.260q, which is not one of the domains", hello.ServerName)
	}
	return r.challenge.GetCertificate(hello)
}

// Handler returns a handler that answers the challenges of the CA, and passes all other requests on to next.
func (a *ACME) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if certmagic.LooksLikeHTTPChallenge(req) && a.solve(w, req) {
			return
		}
		next.ServeHTTP(w, req)
	})
}

func (a *ACME) solve(w http.ResponseWriter, req *http.Request) bool {
	host := req.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	r := a.running()
	return r != nil && slices.Contains(a.domains, normalize(host)) && r.issuer.HandleHTTPChallenge(w, req)
}

// Close ends what Start began, and waits for its goroutines. The certificates remain in the directory.
func (a *ACME) Close() {
	a.mu.Lock()
	r := a.run
	a.run = nil
	a.mu.Unlock()
	if r == nil {
		return
	}
	r.cancel()
	r.wg.Wait()
	r.cache.Stop()
}

// Domain is the state of a domain.
type Domain struct {
	Name    string
	Begins  time.Time // of its certificate's validity; zero if it has none
	Expires time.Time // likewise
	Fault   string    // why the last attempt to obtain or renew it failed; "" if it did not
}

// Domains returns the state of all domains.
func (a *ACME) Domains() (all []Domain) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, name := range a.domains {
		d := Domain{Name: name, Fault: a.faults[name]}
		if a.run != nil {
			for _, c := range a.run.cache.AllMatchingCertificates(name) {
				if c.Leaf != nil && c.Leaf.NotAfter.After(d.Expires) {
					d.Begins, d.Expires = c.Leaf.NotBefore, c.Leaf.NotAfter
				}
			}
		}
		all = append(all, d)
	}
	return all
}
