package certs

import (
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/httpurl"
)

// LetsEncrypt is the directory of the default CA.
const LetsEncrypt = certmagic.LetsEncryptProductionCA

// maxDomains bounds the goroutines and the requests to the CA.
const maxDomains = 100

// ACMEOptions are the options of an ACME.
type ACMEOptions struct {
	Domains []string // names without wildcards, at most 100; the first one is for clients that name none
	Storage string   // the directory for the account, keys and certificates. It is made if it does not exist
	Agreed  bool     // the operator agrees to the terms of service of the CA
	Email   string   // for the CA's notices; may be empty
	CA      string   // the URL of the CA's directory; "" means LetsEncrypt

	// KeyID and MACKey (in base64url) bind the account to one that the operator has with the CA. Either both or none is
	// given.
	KeyID, MACKey string

	// Roots are the authorities that the CA's own certificate is checked with; nil means those of the system.
	Roots *x509.CertPool

	// Logger is told of certificates and failures; nil means slog.Default(). Details are on level debug.
	Logger *slog.Logger

	renewCheck time.Duration // the interval at which renewals are considered, for tests
	renewRatio float64       // the part of the lifetime in which they begin, for tests
}

// Validate returns all mistakes. It reads no file and opens no connection.
func (o ACMEOptions) Validate() error {
	all := []error{o.validateDomains(), o.validateCA()}
	if o.Storage == "" {
		all = append(all, errors.New("there is no directory for ACME's keys and certificates"))
	}
	if !o.Agreed {
		all = append(all, errors.New("ACME needs your agreement to the terms of service of the CA"))
	}
	if o.Email != "" && (strings.Count(o.Email, "@") != 1 || strings.ContainsFunc(o.Email, func(r rune) bool { return r <= ' ' })) {
		all = append(all, fmt.Errorf("%q is no e-mail address", o.Email))
	}
	if (o.KeyID == "") != (o.MACKey == "") {
		all = append(all, errors.New("an external account needs both a key ID and a MAC key"))
	}
	if _, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(o.MACKey, "=")); err != nil {
		all = append(all, errors.New("the MAC key is not in base64url"))
	}
	return errors.Join(all...)
}

func (o *ACMEOptions) validateDomains() error {
	if n := len(o.Domains); n == 0 || n > maxDomains {
		return fmt.Errorf("ACME is for %d domains; it must be for 1 to %d", n, maxDomains)
	}
	var all []error
	for i, d := range o.Domains {
		if err := CheckDomain(d); err != nil {
			all = append(all, err)
		} else if slices.IndexFunc(o.Domains, func(e string) bool { return normalize(e) == normalize(d) }) < i {
			all = append(all, fmt.Errorf("domain %q is listed twice", d))
		}
	}
	return errors.Join(all...)
}

// CheckDomain returns an error unless d is a name for which an ACME can obtain a certificate.
func CheckDomain(d string) error {
	_, addr := netip.ParseAddr(d)
	other := func(r rune) bool { return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '.') }
	switch name := normalize(d); {
	case addr == nil:
		return fmt.Errorf("domain %q is an address; it must be a name", d)
	case strings.Contains(d, "*"):
		return fmt.Errorf("domain %q has a wildcard; list the names instead, because only DNS can prove control of a wildcard", d)
	case name == "" || len(name) > 253 || strings.ContainsFunc(name, other) || !strings.Contains(name, ".") ||
		slices.ContainsFunc(strings.Split(name, "."), func(label string) bool {
			return label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-'
		}):
		return fmt.Errorf("domain %q is malformed; it must be a name like chat.example.com, in ASCII (xn--...)", d)
	}
	return nil
}

func (o *ACMEOptions) validateCA() error {
	if o.CA == "" {
		return nil
	}
	if u, err := url.Parse(o.CA); err != nil || u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("the CA %q is no URL; it must be the https:// URL of its ACME directory", httpurl.Mask(o.CA))
	}
	return nil
}

// normalize returns a name in the form in which names are compared.
func normalize(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }
