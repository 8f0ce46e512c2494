//go:build cluster

package natsserver

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"

	"github.com/nats-io/nats-server/v2/server"
)

// routeUser is the name with which nodes show the secret to each other.
const routeUser = "fanfare"

// apply puts the routes into the options of nats-server.
func (r *Routes) apply(opts *server.Options) error {
	host, port, err := net.SplitHostPort(r.Listen)
	if err != nil {
		return err
	}
	c := &opts.Cluster
	c.Name, c.Host, c.Username, c.Password, c.NoAdvertise = r.Cluster, host, routeUser, r.Secret, true
	if c.Port, err = strconv.Atoi(port); err != nil {
		return err
	}
	if host == "" {
		c.Host = server.DEFAULT_HOST
	}
	for _, peer := range r.Peers {
		opts.Routes = append(opts.Routes, &url.URL{Scheme: "nats-route", Host: peer, User: url.UserPassword(routeUser, r.Secret)})
	}
	if r.Cert == "" {
		return nil
	}
	c.TLSConfig, err = r.tlsConfig()
	c.TLSTimeout = 5
	return err
}

// tlsConfig returns the configuration for both sides of a route: each shows a certificate, and checks the other's.
func (r *Routes) tlsConfig() (*tls.Config, error) {
	pem, err := os.ReadFile(r.CA)
	if err != nil {
		return nil, err
	}
	authorities := x509.NewCertPool()
	if !authorities.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s has no certificate in PEM", r.CA)
	}
	if _, err := tls.LoadX509KeyPair(r.Cert, r.Key); err != nil {
		return nil, err
	}
	load := func() (*tls.Certificate, error) {
		c, err := tls.LoadX509KeyPair(r.Cert, r.Key)
		return &c, err
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13, RootCAs: authorities, ClientCAs: authorities, ClientAuth: tls.RequireAndVerifyClientCert,
		GetCertificate:       func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return load() },
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return load() },
	}, nil
}

// startRouting opens the port of routes, and begins to connect to the peers. Start of nats-server does this in a goroutine that
// waits for the port of clients, which is never opened here; that goroutine waits forever. Each call of StartRouting counts as
// the end of one goroutine that Shutdown waits for, so the call here ends the count of the other.
func startRouting(s *server.Server) {
	ready := make(chan struct{})
	close(ready)
	s.StartRouting(ready)
}
