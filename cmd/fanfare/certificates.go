package main

import (
	"fmt"
	"log/slog"
	"net"
	"slices"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/certs"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/config"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/monitor"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// certificates are where the listeners with TLS have their certificates from. Either field is nil if it is not used.
type certificates struct {
	file *wsproto.Certificate
	acme *certs.ACME
}

// loadCertificates loads what the configuration names. It does not connect to a certificate authority.
func loadCertificates(c *config.TLS, log *slog.Logger) (k certificates, err error) {
	if c.Cert != "" {
		if k.file, err = wsproto.LoadCertificate(c.Cert, c.Key, log); err != nil {
			return k, fmt.Errorf("-cert and -key: %s", plain(err))
		}
	}
	if len(c.ACME.Domains) == 0 {
		return k, nil
	}
	o, err := c.ACME.Options()
	if err != nil {
		return k, err
	}
	o.Logger = log
	k.acme, err = certs.NewACME(o)
	return k, err
}

// obtain begins to obtain certificates from the authority, which must reach the listeners.
func (k *certificates) obtain(all []openListener) error {
	if k.acme == nil {
		return nil
	}
	secure, open := challenged(all)
	return k.acme.Start(secure, open)
}

// challenged returns the addresses at which the certificate authority can find out that the server has its names: with TLS,
// and without. It prefers those that other machines can connect to.
func challenged(all []openListener) (secure, open net.Addr) {
	all = slices.DeleteFunc(slices.Clone(all), func(l openListener) bool { return l.Unix() != "" })
	if outside := slices.DeleteFunc(slices.Clone(all), func(l openListener) bool { return l.Loopback() }); len(outside) > 0 {
		all = outside
	}
	if i := slices.IndexFunc(all, func(l openListener) bool { return l.secure }); i >= 0 {
		secure = all[i].at
	}
	if i := slices.IndexFunc(all, func(l openListener) bool { return !l.secure && (secure == nil || sameIP(l.at, secure)) }); i >= 0 {
		open = all[i].at
	}
	return secure, open
}

// sameIP reports whether certs.ACME.Start may have both addresses.
func sameIP(a, b net.Addr) bool {
	x, isTCP := a.(*net.TCPAddr)
	y, both := b.(*net.TCPAddr)
	return isTCP && both && x.IP.Equal(y.IP)
}

// prepare loads the files now, and returns a function that puts them into use.
func (k *certificates) prepare() (use func(), err error) {
	if k.file == nil {
		return func() {}, nil
	}
	return k.file.Prepare()
}

// retry asks the authority for certificates that are missing, without waiting for the end of a pause.
func (k *certificates) retry() {
	if k.acme != nil {
		k.acme.Retry()
	}
}

func (k *certificates) close() {
	if k.acme != nil {
		k.acme.Close()
	}
}

// addTo adds the state of the certificates in use.
func (k *certificates) addTo(s *monitor.Snapshot) {
	use := func(from, until time.Time) {
		s.CertificateExpires = sooner(s.CertificateExpires, until)
		s.CertificateRenewBy = sooner(s.CertificateRenewBy, monitor.RenewBy(from, until))
	}
	if k.file != nil {
		if c, err := k.file.Get(nil); err == nil && c.Leaf != nil {
			use(c.Leaf.NotBefore, c.Leaf.NotAfter)
		}
	}
	if k.acme == nil {
		return
	}
	for _, d := range k.acme.Domains() {
		if d.Expires.IsZero() {
			s.CertificatesMissing = append(s.CertificatesMissing, d.Name)
		} else {
			use(d.Begins, d.Expires)
		}
	}
}

// sooner returns the sooner of two times; first may be nil.
func sooner(first *time.Time, at time.Time) *time.Time {
	if first == nil || at.Before(*first) {
		return &at
	}
	return first
}
