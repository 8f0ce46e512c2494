package token

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// algorithms are those that are supported (RFC 7518, 3.1; RFC 8037, 3.1).
var algorithms = []string{
	"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
}

// minSecret has the shortest secret of each algorithm in bytes (RFC 7518, 3.2).
var minSecret = map[string]int{"HS256": 32, "HS384": 48, "HS512": 64}

// The limits of RSA keys in bits. Verification with a longer one takes a worker's time.
const (
	minRSA = 2048
	maxRSA = 8192
)

// curves has the curve of each algorithm by its size in bits.
var curves = map[string]int{"ES256": 256, "ES384": 384, "ES512": 521}

// fits reports whether a key is one for the algorithm, and long enough for it.
func fits(alg string, key any) bool {
	switch k := key.(type) {
	case []byte:
		least := minSecret[alg]
		return least > 0 && len(k) >= least
	case *rsa.PublicKey:
		return (strings.HasPrefix(alg, "RS") || strings.HasPrefix(alg, "PS")) && k.N.BitLen() >= minRSA && k.N.BitLen() <= maxRSA
	case *ecdsa.PublicKey:
		return curves[alg] == k.Curve.Params().BitSize
	case ed25519.PublicKey:
		return alg == "EdDSA" && len(k) == ed25519.PublicKeySize
	}
	return false
}

// fitting returns the algorithms for which the key is one.
func fitting(key any) (all []string) {
	for _, alg := range algorithms {
		if fits(alg, key) {
			all = append(all, alg)
		}
	}
	return all
}

// maxFile is the largest file with keys in bytes, and the largest response.
const maxFile = 1 << 20

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f, name)
}

// readAll reads at most maxFile bytes.
func readAll(r io.Reader, what string) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxFile {
		return nil, fmt.Errorf("%s has more than %d bytes", what, maxFile)
	}
	return b, nil
}

// readSecret returns the secret of a file.
func readSecret(name string) ([]byte, error) {
	b, err := readFile(name)
	if err != nil {
		return nil, err
	}
	if utf8.Valid(b) && bytes.IndexFunc(b, func(r rune) bool { return !unicode.IsPrint(r) && !unicode.IsSpace(r) }) < 0 {
		b = bytes.TrimSpace(b)
	}
	switch {
	case bytes.Contains(b, []byte("-----BEGIN")):
		return nil, fmt.Errorf("%s contains a key in PEM, which is no secret for HMAC; public keys belong in the public key files", name)
	case len(b) < minSecret["HS256"]:
		return nil, fmt.Errorf("the secret in %s has %d bytes; it must have at least %d, such as the output of: openssl rand -base64 48", name, len(b), minSecret["HS256"])
	}
	return b, nil
}

// readPublicKeys returns the public keys of a PEM file.
func readPublicKeys(name string) (keys []any, err error) {
	b, err := readFile(name)
	if err != nil {
		return nil, err
	}
	for {
		var block *pem.Block
		if block, b = pem.Decode(b); block == nil {
			break
		}
		key, err := parsePublicKey(block)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s contains no public key in PEM; it must begin with -----BEGIN PUBLIC KEY-----", name)
	}
	return keys, nil
}

func parsePublicKey(block *pem.Block) (key any, err error) {
	switch block.Type {
	case "PUBLIC KEY":
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		var c *x509.Certificate
		if c, err = x509.ParseCertificate(block.Bytes); err == nil {
			key = c.PublicKey
		}
	default:
		return nil, fmt.Errorf("the file has a %.30q; it must have a PUBLIC KEY only, as openssl pkey -pubout writes it", block.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("the %s is broken: %w", strings.ToLower(block.Type), err)
	}
	if len(fitting(key)) == 0 {
		return nil, unfit(key)
	}
	return key, nil
}

// unfit says why there is no algorithm for a public key.
func unfit(key any) error {
	if k, ok := key.(*rsa.PublicKey); ok {
		return fmt.Errorf("the RSA key has %d bits; it must have %d to %d", k.N.BitLen(), minRSA, maxRSA)
	}
	return errors.New("the key is for none of RSA, ECDSA with P-256, P-384 or P-521, and Ed25519")
}

// keys are those of the files. They have no names.
type keys []any

// load returns the keys, and adds what is wrong with the files to es.
func (o *Options) load(es *fieldErrors) (all keys) {
	for i, name := range o.SecretFiles {
		field := fmt.Sprintf("secret-files[%d]", i)
		secret, err := readSecret(name)
		if err == nil {
			err = o.suits(secret)
		}
		if es.add(field, err); err == nil {
			all = append(all, secret)
		}
	}
	for i, name := range o.PublicKeyFiles {
		found, err := readPublicKeys(name)
		for _, key := range found {
			err = errors.Join(err, o.suits(key))
		}
		es.add(fmt.Sprintf("public-key-files[%d]", i), err)
		all = append(all, found...)
	}
	if len(all) > maxTried {
		es.addf("public-key-files", "there are %d keys in files; at most %d are allowed. A JSON Web Key Set may have more, as tokens name its keys", len(all), maxTried)
	}
	return all
}

// suits reports that none of Options.Algorithms is one for the key.
func (o *Options) suits(key any) error {
	fit := fitting(key)
	if len(o.Algorithms) == 0 || slices.ContainsFunc(fit, func(a string) bool { return slices.Contains(o.Algorithms, a) }) {
		return nil
	}
	return fmt.Errorf("the key is for %s only; the configured algorithms are %s", strings.Join(fit, ", "), strings.Join(o.Algorithms, ", "))
}

// allowed returns the algorithms that tokens may have.
func (o *Options) allowed(all keys) []string {
	if len(o.Algorithms) > 0 {
		return o.Algorithms
	}
	var allowed []string
	for _, alg := range algorithms {
		jwks := (o.JWKSFile != "" || o.JWKSURL != "") && minSecret[alg] == 0
		if jwks || slices.ContainsFunc(all, func(key any) bool { return fits(alg, key) }) {
			allowed = append(allowed, alg)
		}
	}
	return allowed
}
