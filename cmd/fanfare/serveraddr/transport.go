package serveraddr

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
)

// Transport returns a transport that connects to the address. t configures TLS. With preamble, each connection begins with a
// PROXY protocol header.
func (a Address) Transport(t *tls.Config, preamble bool) *http.Transport {
	return &http.Transport{TLSClientConfig: t, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		if a.Socket != "" {
			network, addr = "unix", a.Socket
		}
		nc, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err != nil || !preamble {
			return nc, err
		}
		if _, err = io.WriteString(nc, "PROXY UNKNOWN\r\n"); err != nil {
			nc.Close()
			return nil, err
		}
		return nc, nil
	}}
}

// TrustOnly returns the options for TLS of a client that trusts the authorities in a file, and no others.
func TrustOnly(file string) (*tls.Config, error) {
	pem, err := os.ReadFile(file)
	if path, is := errors.AsType[*os.PathError](err); is {
		err = path.Err // the name stands before it
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: the file has no certificate in PEM", file)
	}
	return &tls.Config{RootCAs: roots}, nil
}
