package wsproto

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// certificate is a certificate from files, which is loaded again when they change,
// so that a new one needs no restart. They are looked at when somebody shakes
// hands, at most once a second; while what they hold is broken, or only one of
// them has been replaced yet, the last good certificate is used on. Its methods
// are safe from any goroutine.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger
	current           atomic.Pointer[tls.Certificate]

	mu     sync.Mutex // held by the one who looks
	looked time.Time
	stamps [2]stamp // of the files that current comes from
	fault  string   // logged last
}

// stamp is how a file looks from outside.
type stamp struct {
	changed time.Time
	size    int64
}

const lookEvery = time.Second

// loadCertificate loads the certificate chain and the key, both in PEM. log gets
// what happens later; slog.Default() if nil.
func loadCertificate(certFile, keyFile string, log *slog.Logger) (*certificate, error) {
	if log == nil {
		log = slog.Default()
	}
	c := &certificate{certFile: certFile, keyFile: keyFile, log: log, looked: time.Now()}
	if _, err := c.load(); err != nil {
		return nil, err
	}
	return c, nil
}

// Get is a tls.Config's GetCertificate. It never fails.
func (c *certificate) Get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.look(time.Now())
	return c.current.Load(), nil
}

// look loads what is new at now. Who comes while another does it does not wait.
func (c *certificate) look(now time.Time) {
	if !c.mu.TryLock() {
		return
	}
	defer c.mu.Unlock()
	if now.Sub(c.looked) < lookEvery {
		return
	}
	c.looked = now
	changed, err := c.load()
	switch {
	case err != nil && err.Error() != c.fault:
		c.fault = err.Error()
		c.log.Error("the new certificate is of no use, the old one stays", "error", err)
	case err == nil:
		c.fault = ""
		if changed {
			c.log.Info("new certificate loaded", "file", c.certFile)
		}
	}
}

// load loads the files if they are not those of current.
func (c *certificate) load() (changed bool, err error) {
	var stamps [2]stamp
	for i, name := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return false, fmt.Errorf("wsproto: certificate: %w", err)
		}
		stamps[i] = stamp{info.ModTime(), info.Size()}
	}
	if stamps == c.stamps {
		return false, nil
	}
	cert, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return false, fmt.Errorf("wsproto: certificate %s with key %s: %w", c.certFile, c.keyFile, err)
	}
	c.current.Store(&cert)
	c.stamps = stamps
	return true, nil
}
