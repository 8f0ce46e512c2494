package config

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
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
func readCertificates(file string) ([]*x509.Certificate, error) {
	b, err := readFile(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return parseCertificates(b)
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

// minSecret is the shortest secret of HMAC, in bytes (RFC 7518, 3.2).
const minSecret = 32

// tokenKeys checks the files with the keys of tokens.
func (i *inspector) tokenKeys(t *Token) {
	if t.HMACSecretFile != "" {
		b, err := readFile(t.HMACSecretFile)
		n := len(bytes.TrimRight(b, "\r\n"))
		switch {
		case err != nil:
			i.refuse("token.hmac-secret-file", ": %s: %v", t.HMACSecretFile, err)
		case n < minSecret:
			i.refuse("token.hmac-secret-file", ": %s has %d bytes; it must have at least %d, such as those of openssl rand -hex 32", t.HMACSecretFile, n, minSecret)
		}
		i.secrecy("token.hmac-secret-file", t.HMACSecretFile)
	}
	for _, file := range t.PublicKeyFiles {
		if err := checkPublicKey(file, t.Algorithms); err != nil {
			i.refuse("token.public-key-files", ": %s: %v", file, err)
		}
	}
	if t.JWKSFile != "" {
		if err := checkKeySet(t.JWKSFile); err != nil {
			i.refuse("token.jwks-file", ": %s: %v", t.JWKSFile, err)
		}
	}
}

// checkPublicKey returns an error if a file has no public key, or one for which there is no algorithm.
func checkPublicKey(file string, algs []string) error {
	b, err := readFile(file)
	if err != nil {
		return err
	}
	key, err := parsePublicKey(b)
	if err != nil {
		return err
	}
	kind := kindOf(key)
	if !slices.ContainsFunc(algs, func(a string) bool { return algorithms[a] == kind }) {
		return fmt.Errorf("the key is for %s, and none of the algorithms %v is", kind, algs)
	}
	return nil
}

func kindOf(key any) string {
	switch key.(type) {
	case *rsa.PublicKey:
		return "RSA"
	case *ecdsa.PublicKey:
		return "ECDSA"
	case ed25519.PublicKey:
		return "Ed25519"
	}
	return fmt.Sprintf("%T", key)
}

func parsePublicKey(b []byte) (any, error) {
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, errors.New("the file contains no key in PEM")
	}
	switch block.Type {
	case "PUBLIC KEY":
		return x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		return x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		return c.PublicKey, nil
	}
	return nil, fmt.Errorf("the file contains a %s; it must contain a PUBLIC KEY", block.Type)
}

// checkKeySet returns an error if a file has no set of keys.
func checkKeySet(file string) error {
	b, err := readFile(file)
	if err != nil {
		return err
	}
	var set struct {
		Keys []struct {
			Type string `json:"kty"`
		}
	}
	if err := json.Unmarshal(b, &set); err != nil {
		return errors.New("the file is not a set of keys in JSON (RFC 7517)")
	}
	for n, k := range set.Keys {
		if k.Type == "" {
			return fmt.Errorf("the key number %d has no kty", n+1)
		}
	}
	if len(set.Keys) == 0 {
		return errors.New(`the file has no keys; it must be a set such as {"keys":[...]}`)
	}
	return nil
}
