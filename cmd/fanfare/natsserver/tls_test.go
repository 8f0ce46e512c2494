//go:build cluster

package natsserver

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// authority signs certificates of nodes.
type authority struct {
	t    testing.TB
	file string // with its own certificate
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB) *authority {
	a := &authority{t: t}
	a.key = a.newKey()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.file = a.write("ca.pem", "CERTIFICATE", der)
	return a
}

func (a *authority) newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	return key
}

// sign returns files with a certificate for this machine, and its key.
func (a *authority) sign() (cert, key string) {
	k := a.newKey()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &k.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		a.t.Fatal(err)
	}
	return a.write("cert.pem", "CERTIFICATE", der), a.write("key.pem", "PRIVATE KEY", keyDER)
}

func (a *authority) write(name, kind string, der []byte) string {
	file := filepath.Join(a.t.TempDir(), name)
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
	return file
}

func (a *authority) apply(o *Options) {
	o.Routes.CA = a.file
	o.Routes.Cert, o.Routes.Key = a.sign()
}

// Nodes with certificates of one authority form a cluster.
func TestRoutesWithTLS(t *testing.T) {
	a := newAuthority(t)
	all := nodes(t, 3, func(_ int, o *Options) { a.apply(o) })
	stream(t, all)
	for _, s := range all {
		s.awaitCurrent()
	}
}

// A node that knows the secret is refused if it has a certificate of another authority, or none.
func TestWrongCertificate(t *testing.T) {
	right, wrong := newAuthority(t), newAuthority(t)
	for _, other := range []func(o *Options){wrong.apply, func(*Options) {}} {
		all := nodes(t, 2, func(i int, o *Options) {
			if i == 0 {
				right.apply(o)
			} else {
				other(o)
			}
		})
		all[0].awaitLog("TLS route handshake error")
		for _, s := range all {
			if n := s.srv.NumRoutes(); n != 0 {
				t.Errorf("%d routes; the log: %s", n, s.log.String())
			}
			s.stop()
		}
	}
}

// Files that do not fit are an error of Start.
func TestWrongFiles(t *testing.T) {
	a, b := newAuthority(t), newAuthority(t)
	cert, key := a.sign()
	_, foreign := b.sign()
	for _, r := range []Routes{{Cert: cert, Key: foreign, CA: a.file}, {Cert: cert, Key: key, CA: key}, {Cert: cert, Key: key, CA: key + "x"}} {
		r.Cluster, r.Listen, r.Peers = "c", "127.0.0.1:1", []string{"127.0.0.1:2"}
		_, err := tryRun(t, Options{Dir: t.TempDir(), Routes: r})
		wantError(t, err, "the NATS server cannot be configured")
	}
}
