package config

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"
)

// certificate checks the files of -cert and -key.
func (i *inspector) certificate() {
	t := &i.config.TLS
	if t.Cert == "" || t.Key == "" {
		return
	}
	certificate, certErr := readFile(t.Cert)
	if certErr != nil {
		i.refuse("tls.cert", ": %s: %v", t.Cert, certErr)
	}
	key, keyErr := readFile(t.Key)
	if keyErr != nil {
		i.refuse("tls.key", ": %s: %v", t.Key, keyErr)
	}
	if certErr != nil || keyErr != nil {
		return
	}
	chain, err := parseCertificates(certificate)
	if err != nil {
		i.refuse("tls.cert", ": %s: %v", t.Cert, err)
		return
	}
	if _, err := tls.X509KeyPair(certificate, key); err != nil {
		i.refuse("tls.key", ": %s does not fit the certificate in %s: %v", t.Key, i.nameOf("tls.cert", "tls.key"), err)
	}
	i.validity(t.Cert, chain[0])
	i.secrecy("tls.key", t.Key)
}

// validity notes that a certificate is not valid now.
func (i *inspector) validity(file string, c *x509.Certificate) {
	switch {
	case i.now.After(c.NotAfter):
		i.note("tls.cert", ": the certificate in %s has expired at %s", file, c.NotAfter.Format(time.RFC3339))
	case i.now.Before(c.NotBefore):
		i.note("tls.cert", ": the certificate in %s is valid only from %s", file, c.NotBefore.Format(time.RFC3339))
	}
}

// readCertificates returns the certificates of a file.
func readCertificates(file string) (all []*x509.Certificate, err error) {
	b, err := readFile(file)
	if err == nil {
		all, err = parseCertificates(b)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return all, nil
}

func parseCertificates(b []byte) (all []*x509.Certificate, err error) {
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, errors.New("the file contains no certificate in PEM")
	}
	return all, nil
}
