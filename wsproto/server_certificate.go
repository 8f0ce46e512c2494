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

// certificate is a certificate from files. It is loaded again when they change, so that a new
// one needs no restart. The files are checked during a handshake, at most once a second.
// While they are unusable, or only one of them has been replaced, the last good certificate
// remains in use. Its methods are safe from any goroutine.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger
	current           atomic.Pointer[tls.Certificate]

	mu     sync.Mutex // held while the files are checked
	looked time.Time
	stamps [2]stamp // of the files that current was loaded from
	fault  string   // the error that was logged last
}

// stamp identifies the version of a file.
type stamp struct {
	changed time.Time
	size    int64
}

const lookEvery = time.Second

// loadCertificate loads the certificate chain and the key, both in PEM. log receives later
// events; slog.Default() if nil.
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

// Get is the GetCertificate of a tls.Config. It never fails.
func (c *certificate) Get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.look(time.Now())
	return c.current.Load(), nil
}

// look loads the files if they have changed by now. A caller that finds another one loading
// them does not wait.
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
		c.log.Error("the new certificate is unusable; the old one remains in use", "error", err)
	case err == nil:
		c.fault = ""
		if changed {
			c.log.Info("new certificate loaded", "file", c.certFile)
		}
	}
}

// load loads the files if they are not the version of current.
func (c *certificate) load() (changed bool, err error) {
	var stamps [2]stamp
	for i, name := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return false, fmt.Errorf("wsproto: cannot read the certificate: %w", err)
		}
		stamps[i] = stamp{info.ModTime(), info.Size()}
	}
	if stamps == c.stamps {
		return false, nil
	}
	cert, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return false, fmt.Errorf("wsproto: cannot load certificate %q with key %q: %w", c.certFile, c.keyFile, err)
	}
	c.current.Store(&cert)
	c.stamps = stamps
	return true, nil
}
