//go:build linux

package netpoll

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"
)

// certificate is a certificate of the tests' own, and the pool that trusts it.
var certificate = sync.OnceValues(func() (tls.Certificate, *x509.CertPool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotAfter:     time.Now().Add(time.Hour),
		DNSNames:     []string{"localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	leaf, _ := x509.ParseCertificate(der)
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
})

func serverTLS() *tls.Config {
	cert, _ := certificate()
	return &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"test"}}
}

func clientTLS(version uint16) *tls.Config {
	_, pool := certificate()
	return &tls.Config{RootCAs: pool, ServerName: "localhost", MinVersion: version, MaxVersion: version, NextProtos: []string{"test"}}
}

// versions runs a test with each version of TLS.
func versions(t *testing.T, f func(t *testing.T, version uint16)) {
	for name, v := range map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) { f(t, v) })
	}
}

// serveTLS is serve with TLS.
func serveTLS(t testing.TB, opts Options, setup func(*peer)) *server {
	t.Helper()
	s := &server{Engine: newEngine(t, opts), new: make(chan *peer, 1<<16)}
	l := must[*Listener](t)(s.ListenTLS("127.0.0.1:0", TLS{Config: serverTLS(), Answer: []byte("TLS, please\n")}, func() Handler {
		p := newPeer(t)
		p.opened = s.new
		setup(p)
		return p
	}))
	s.addr = l.Addr().String()
	return s
}

// dialTLS connects through wrap, if that is not nil, and shakes hands.
func dialTLS(t testing.TB, addr string, version uint16, wrap func(net.Conn) net.Conn) *tls.Conn {
	t.Helper()
	var nc net.Conn = dial(t, addr)
	if wrap != nil {
		nc = wrap(nc)
	}
	c := tls.Client(nc, clientTLS(version))
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	return c
}

// bytewise sends each byte by itself.
type bytewise struct{ net.Conn }

func (b bytewise) Write(p []byte) (int, error) {
	for i := range p {
		if _, err := b.Conn.Write(p[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(p), nil
}

// batch holds back what is written, once it is told to, until flush.
type batch struct {
	net.Conn
	hold bool
	held []byte
}

func (b *batch) Write(p []byte) (int, error) {
	if !b.hold {
		return b.Conn.Write(p)
	}
	b.held = append(b.held, p...)
	return len(p), nil
}

func (b *batch) flush(t testing.TB) {
	t.Helper()
	write(t, b.Conn, b.held)
	b.held = nil
}

// recorder keeps the last bytes that were read.
type recorder struct {
	net.Conn
	mu   sync.Mutex
	read []byte
}

func (r *recorder) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	r.mu.Lock()
	r.read = append(r.read, p[:n]...)
	r.mu.Unlock()
	return n, err
}

// lastRecord returns the type of the last record that was read.
func (r *recorder) lastRecord() (typ byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for p := r.read; wholeRecord(p); p = p[recordHeaderLen+int(p[3])<<8+int(p[4]):] {
		typ = p[0]
	}
	return typ
}
