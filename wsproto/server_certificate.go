package wsproto

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Certificate is a certificate from files. It is loaded again when they change, so that a new
// one needs no restart. The files are checked during a handshake, at most once a second.
// While they are unusable, or only one of them has been replaced, the last good certificate
// remains in use. Its methods are safe from any goroutine. A program needs it only for a tls.Config
// of its own, such as one with certificates from elsewhere besides: see Server.ListenTLS.
type Certificate struct {
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

// LoadCertificate loads the certificate chain and the key, both in PEM. log receives later
// events; slog.Default() if nil.
func LoadCertificate(certFile, keyFile string, log *slog.Logger) (*Certificate, error) {
	if log == nil {
		log = slog.Default()
	}
	c := &Certificate{certFile: certFile, keyFile: keyFile, log: log, looked: time.Now()}
	if _, err := c.load(); err != nil {
		return nil, err
	}
	return c, nil
}

// Get is the GetCertificate of a tls.Config. It never fails.
func (c *Certificate) Get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.look(time.Now())
	return c.current.Load(), nil
}

// Reload loads the files now. On an error, which names the file, the certificate in use remains.
func (c *Certificate) Reload() error {
	use, err := c.Prepare()
	if err == nil {
		use()
	}
	return err
}

// Prepare loads the files now, and returns a function that puts the certificate into use. Without
// a call of that, or on an error, which names the file, the certificate in use remains.
func (c *Certificate) Prepare() (use func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cert, stamps, err := c.read([2]stamp{})
	if err != nil {
		c.looked, c.fault = time.Now(), err.Error() // the caller tells it
		return nil, err
	}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.current.Store(cert)
		c.looked, c.stamps, c.fault = time.Now(), stamps, ""
	}, nil
}

// look loads the files if they have changed by now. A caller that finds another one loading
// them does not wait.
func (c *Certificate) look(now time.Time) {
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
func (c *Certificate) load() (changed bool, err error) {
	cert, stamps, err := c.read(c.stamps)
	if cert == nil || err != nil {
		return false, err
	}
	c.current.Store(cert)
	c.stamps = stamps
	return true, nil
}

// read returns what is in the files, or nil if they are the known version.
func (c *Certificate) read(known [2]stamp) (*tls.Certificate, [2]stamp, error) {
	var stamps [2]stamp
	for i, name := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return nil, stamps, fmt.Errorf("wsproto: cannot read the certificate: %w", err)
		}
		stamps[i] = stamp{info.ModTime(), info.Size()}
	}
	if stamps == known {
		return nil, stamps, nil
	}
	cert, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return nil, stamps, fmt.Errorf("wsproto: cannot load certificate %q with key %q: %w", c.certFile, c.keyFile, err)
	}
	return &cert, stamps, nil
}

// certificates are those of a server's listeners.
type certificates struct {
	mu  sync.Mutex
	all []*Certificate
}

func (k *certificates) add(c *Certificate) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.all = append(k.all, c)
}

// reload reloads all of them, whether or not some cannot be.
func (k *certificates) reload() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	var errs []error
	for _, c := range k.all {
		errs = append(errs, c.Reload())
	}
	return errors.Join(errs...)
}

// completeTLS returns base with what the server needs.
func completeTLS(base *tls.Config) (*tls.Config, error) {
	if base == nil || len(base.Certificates) == 0 && base.GetCertificate == nil && base.GetConfigForClient == nil {
		return nil, errors.New("wsproto: TLS needs a certificate: give certFile and keyFile, or Server.TLSConfig")
	}
	c := base.Clone()
	if c.MinVersion == 0 {
		c.MinVersion = tls.VersionTLS12
	}
	c.NextProtos = []string{"http/1.1"} // a WebSocket begins with HTTP/1.1 here
	if slices.Contains(base.NextProtos, acmeProtocol) {
		c.NextProtos = append(c.NextProtos, acmeProtocol)
	}
	return c, nil
}

const (
	foreignTLSReason = "a WebSocket cannot take over the TLS of this server; use Server.ListenAndServeTLS, or a proxy that terminates TLS"
	noTLS            = "this port speaks TLS: connect with wss:// or https://"
)

// acmeProtocol is what a certificate authority negotiates to see that the server owns its name (RFC
// 8737). The handshake is all that there is to it.
const acmeProtocol = "acme-tls/1"
