package certs

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"

	"github.com/mholt/acmez/v3"

	"github.com/fanfare-ws/fanfare/wsproto"
)

// TLSConfig returns a configuration for TLS 1.2 and 1.3 with the certificate of files, those of acme, or both; either may
// be nil. Its listener answers the challenges of the CA, even if the server that uses the configuration sets NextProtos.
func TLSConfig(files *wsproto.Certificate, acme *ACME) *tls.Config {
	s := &sources{files, acme}
	c := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}, GetCertificate: s.get}
	if acme != nil {
		c.NextProtos = append(c.NextProtos, acmez.ACMETLS1Protocol)
		c.GetConfigForClient = s.forClient
	}
	return c
}

type sources struct {
	files *wsproto.Certificate
	acme  *ACME
}

// isChallenge reports whether a handshake is one of the CA (RFC 8737, 3).
func isChallenge(hello *tls.ClientHelloInfo) bool {
	return len(hello.SupportedProtos) == 1 && hello.SupportedProtos[0] == acmez.ACMETLS1Protocol
}

// forClient returns the configuration for handshakes of the CA. Others use the one that this is a part of.
func (s *sources) forClient(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	if !isChallenge(hello) {
		return nil, nil
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{acmez.ACMETLS1Protocol},
		GetCertificate: s.acme.challenge, SessionTicketsDisabled: true,
	}, nil
}

// get returns the certificate for a client.
func (s *sources) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	err := errors.New("there are no certificates")
	if s.acme != nil {
		name := normalize(hello.ServerName)
		managed := slices.Contains(s.acme.domains, name)
		if managed || name == "" && s.files == nil {
			var c *tls.Certificate
			if c, err = s.acme.certificate(hello); err == nil {
				return c, nil
			}
		} else {
			err = fmt.Errorf("there is no certificate for %.260q", name)
		}
	}
	if s.files != nil {
		return s.files.Get(hello)
	}
	return nil, err
}
