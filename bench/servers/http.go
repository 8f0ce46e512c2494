package servers

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"net/http"
	"time"
)

// httpServe is the type of serveHTTP and serveHTTPS.
type httpServe func(addr string, ready func(net.Addr), h http.HandlerFunc) error

// serveHTTP is Serve for a handler of net/http.
func serveHTTP(addr string, ready func(net.Addr), h http.HandlerFunc) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	ready(l.Addr())
	return http.Serve(l, h)
}

// serveHTTPS is serveHTTP over TLS.
func serveHTTPS(addr string, ready func(net.Addr), h http.HandlerFunc) error {
	config, err := selfSigned()
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	ready(l.Addr())
	s := &http.Server{Handler: h, TLSConfig: config}
	return s.ServeTLS(l, "", "")
}

// selfSigned returns a configuration with a self-signed certificate, for HTTP/1.1, because a WebSocket begins with that.
func selfSigned() (*tls.Config, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	about := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(24 * time.Hour), IPAddresses: []net.IP{{127, 0, 0, 1}}}
	der, err := x509.CreateCertificate(rand.Reader, about, about, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		MinVersion:   tls.VersionTLS13,
		NextProtos:   []string{"http/1.1"},
	}, nil
}
