// Package certs provides the certificates of TLS listeners: from files, which [wsproto.Certificate] loads and watches, from
// a certificate authority that speaks ACME (RFC 8555) such as Let's Encrypt, or both.
//
// # ACME
//
// [ACME] obtains a certificate for each domain, keeps it in a directory, and renews it in the background, through
// github.com/caddyserver/certmagic. It does nothing before [ACME.Start], and nothing at all in a program that makes no
// ACME. The CA checks that the program controls a domain in one of two ways:
//
//   - TLS-ALPN-01 (RFC 8737): the CA connects to port 443 of the domain. Its handshakes end at the same listener as those of
//     others; [TLSConfig] recognizes them.
//   - HTTP-01: the CA sends a request to port 80 of the domain, which must reach [ACME.Handler].
//
// Start does not wait for the CA. Until a domain has its certificate, handshakes for it get the certificate of the
// files, if there is one, and fail otherwise. [ACME.Wait] waits for the certificates, for as long as the caller wants.
// When the CA is down, or refuses, that is logged, and the ACME tries again after 1, 2, 2, 5, 10 and more minutes, up
// to 6 hours; [ACME.Retry] makes it try at once. Renewal begins when a third of the lifetime is left or when the CA
// asks for it (RFC 9773).
//
// Certificates are obtained for the configured domains only, never because a client asks for a name. A handshake with
// another name touches neither the disk nor the network.
//
// Several instances may share the directory, for example on a network file system: one of them obtains a certificate,
// and all can answer the CA.
//
// # Concurrency
//
// All methods may be called from any goroutine. A handshake reads certificates from memory; for files it may read the
// disk once a second, and for a challenge of the CA it may read the directory. Handshakes have goroutines of their own,
// so this holds no worker. An ACME has a goroutine for each domain until that has a certificate, and one for renewals;
// Close ends them. certmagic keeps one small goroutine for each CA and account until the program ends.
package certs
