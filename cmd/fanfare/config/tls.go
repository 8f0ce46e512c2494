package config

import (
	"crypto/x509"
	"fmt"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/certs"
)

// TLS is where the server's certificates come from: from files, or from an ACME certificate authority.
type TLS struct {
	Cert string `placeholder:"FILE" help:"file with the certificate chain, in PEM. With -cert and -key the server speaks wss:// and https:// only; it loads both files again when they change"`
	Key  string `placeholder:"FILE" help:"file with the certificate's key, in PEM"`
	ACME ACME   `toml:"acme" embed:"" prefix:"acme-"`
}

// ACME is how to obtain certificates (RFC 8555).
type ACME struct {
	Domains []string `placeholder:"NAMES" help:"comma-separated names for which the server obtains certificates by itself, and renews them"`
	Email   string   `placeholder:"ADDRESS" help:"address for the certificate authority's messages"`
	CA      string   `name:"ca" toml:"ca" placeholder:"URL" default:"https://acme-v02.api.letsencrypt.org/directory" help:"directory of the certificate authority"`
	CARoot  string   `name:"ca-root" toml:"ca-root" placeholder:"FILE" help:"file with the root certificates, in PEM, of a certificate authority that the system does not know"`
	Storage string   `placeholder:"DIRECTORY" help:"directory for accounts and certificates; required with -acme-domains"`
	Agree   bool     `help:"agree to the terms of the certificate authority; required with -acme-domains"`
}

// Options returns the options of package certs, without a log. It reads the file of CARoot.
func (a *ACME) Options() (certs.ACMEOptions, error) {
	o := certs.ACMEOptions{Domains: a.Domains, Storage: a.Storage, Agreed: a.Agree, Email: a.Email, CA: a.CA}
	if a.CARoot == "" {
		return o, nil
	}
	all, err := readCertificates(a.CARoot)
	if err != nil {
		return o, fmt.Errorf("tls.acme.ca-root: %w", err)
	}
	o.Roots = x509.NewCertPool()
	for _, c := range all {
		o.Roots.AddCert(c)
	}
	return o, nil
}
