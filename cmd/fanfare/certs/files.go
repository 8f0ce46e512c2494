package certs

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

// Pair are the names of two files in PEM.
type Pair struct {
	Cert string // the certificate and those of its issuers, the certificate first
	Key  string // the private key
}

// Files are certificates from files.
type Files struct {
	pairs   []Pair
	log     *slog.Logger
	current atomic.Pointer[[]tls.Certificate]

	mu     sync.Mutex // held while the files are checked
	looked time.Time
	stamps []stamp // of the files that current was loaded from
	fault  string  // the error that was logged last
}

// stamp identifies the version of a file.
type stamp struct {
	changed time.Time
	size    int64
}

const lookEvery = time.Second

// LoadFiles loads certificates. Clients get the first one that suits them, or else the first. log receives later
// events; nil means slog.Default().
func LoadFiles(pairs []Pair, log *slog.Logger) (*Files, error) {
	if len(pairs) == 0 {
		return nil, errors.New("there are no certificate files")
	}
	if log == nil {
		log = slog.Default()
	}
	f := &Files{pairs: slices.Clone(pairs), log: log, looked: time.Now()}
	if err := f.Reload(); err != nil {
		return nil, err
	}
	return f, nil
}

// Reload loads the files, changed or not. After an error the old certificates remain in use. The caller logs the
// error.
func (f *Files) Reload() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	stamps, err := f.stampAll()
	if err != nil {
		return err
	}
	return f.loadLocked(stamps)
}

// GetCertificate is for a tls.Config. It never fails.
func (f *Files) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	f.look(time.Now())
	all := *f.current.Load()
	for i := range all {
		if len(all) > 1 && hello.SupportsCertificate(&all[i]) == nil {
			return &all[i], nil
		}
	}
	return &all[0], nil
}

// Expires returns when the first of the certificates ends.
func (f *Files) Expires() (first time.Time) {
	for _, c := range *f.current.Load() {
		if end := c.Leaf.NotAfter; first.IsZero() || end.Before(first) {
			first = end
		}
	}
	return first
}

// look loads the files if they have changed by now. A caller that finds another one at it does not wait.
func (f *Files) look(now time.Time) {
	if !f.mu.TryLock() {
		return
	}
	defer f.mu.Unlock()
	if now.Sub(f.looked) < lookEvery {
		return
	}
	f.looked = now
	stamps, err := f.stampAll()
	if err == nil && slices.Equal(stamps, f.stamps) {
		f.fault = ""
		return
	}
	if err == nil {
		err = f.loadLocked(stamps)
	}
	f.reportLocked(err)
}

// reportLocked logs an error once.
func (f *Files) reportLocked(err error) {
	switch {
	case err == nil:
		f.fault = ""
		f.log.Info("new certificate files loaded", "files", len(f.pairs), "expires", f.Expires())
	case err.Error() != f.fault:
		f.fault = err.Error()
		f.log.Error("the new certificate files are unusable; the old certificates remain in use", "error", err)
	}
}

func (f *Files) stampAll() (stamps []stamp, err error) {
	for _, p := range f.pairs {
		for _, name := range []string{p.Cert, p.Key} {
			info, err := os.Stat(name)
			if err != nil {
				return nil, fmt.Errorf("cannot read the certificate: %w", err)
			}
			stamps = append(stamps, stamp{info.ModTime(), info.Size()})
		}
	}
	return stamps, nil
}

// loadLocked loads the files, which had these stamps before.
func (f *Files) loadLocked(stamps []stamp) error {
	var all []tls.Certificate
	for _, p := range f.pairs {
		c, err := tls.LoadX509KeyPair(p.Cert, p.Key)
		if err != nil {
			return fmt.Errorf("cannot load certificate %q with key %q: %w", p.Cert, p.Key, err)
		}
		all = append(all, c)
	}
	f.current.Store(&all)
	f.stamps = stamps
	return nil
}
