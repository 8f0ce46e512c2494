package certs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/httpurl"
)

// giveUp is the pause after certmagic has given up, which it does after 30 days, or at once after an error that
// does not go away by itself.
const giveUp = time.Hour

// obtain loads the certificate of a domain from the directory, or obtains it from the CA, until it has one or ctx ends.
// Renewals are the cache's business then.
func (a *ACME) obtain(r *run, domain string) {
	for r.ctx.Err() == nil {
		retry := a.nextRetry()
		err := a.load(r, domain)
		if errors.Is(err, fs.ErrNotExist) {
			if err = a.attempt(r, domain, retry); err == nil {
				err = a.load(r, domain)
			}
		}
		if err == nil {
			a.inUse(r)
			return
		}
		if errors.Is(err, context.Canceled) {
			continue
		}
		a.fail(domain, err)
		select {
		case <-r.ctx.Done():
		case <-retry:
		case <-time.After(giveUp):
		}
	}
}

// attempt asks the CA, again and again with pauses, until the certificate is in the directory, or retry is closed.
func (a *ACME) attempt(r *run, domain string, retry <-chan struct{}) error {
	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	r.wg.Go(func() {
		select {
		case <-retry:
			cancel()
		case <-ctx.Done():
		}
	})
	return r.config.ObtainCertAsync(ctx, domain) // which is synchronous, despite its name
}

// load loads the certificate of a domain from the directory, for handshakes from now on.
func (a *ACME) load(r *run, domain string) error {
	c, err := r.config.CacheManagedCertificate(r.ctx, domain)
	if err != nil {
		return fmt.Errorf("loading the certificate from %s: %w", a.opts.Storage, err)
	}
	a.log.Info("certificate in use", "domain", domain, "expires", c.Leaf.NotAfter)
	return nil
}

// inUse counts a certificate that is in use.
func (a *ACME) inUse(r *run) {
	a.mu.Lock()
	a.missing--
	last := a.missing == 0
	a.mu.Unlock()
	if last {
		close(a.ready)
		// Some of those from the directory may be old.
		_ = r.cache.RenewManagedCertificates(r.ctx) // which logs its errors
	}
}

func (a *ACME) nextRetry() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.retry
}

// Retry makes the ACME ask the CA at once for certificates that are missing, instead of at the end of a pause. CAs
// limit failed attempts, so it is for operators who have changed something.
func (a *ACME) Retry() {
	a.mu.Lock()
	defer a.mu.Unlock()
	close(a.retry)
	a.retry = make(chan struct{})
}

// Wait waits until all domains have certificates. Otherwise the error is the cause of the end of ctx.
func (a *ACME) Wait(ctx context.Context) error {
	select {
	case <-a.ready:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// event receives what certmagic does.
func (a *ACME) event(ctx context.Context, name string, data map[string]any) error {
	domain, _ := data["identifier"].(string)
	switch name {
	case "cert_failed":
		err, _ := data["error"].(error)
		if err != nil && ctx.Err() == nil {
			a.fail(domain, err)
		}
	case "cert_obtained":
		a.succeed(domain, data["renewal"] == true)
	}
	return nil
}

func (a *ACME) fail(domain string, err error) {
	a.mu.Lock()
	a.faults[domain] = err.Error()
	a.mu.Unlock()
	a.log.Error("no certificate obtained; it will be tried again", "domain", domain, "ca", httpurl.Mask(a.opts.CA), "error", err)
}

func (a *ACME) succeed(domain string, renewal bool) {
	a.mu.Lock()
	delete(a.faults, domain)
	a.mu.Unlock()
	a.log.Info("certificate obtained", "domain", domain, "ca", httpurl.Mask(a.opts.CA), "renewal", renewal)
}
