package config

import (
	"crypto/tls"
	"errors"

	"github.com/nats-io/nkeys"
)

// nats checks the files for NATS. Like all checks it opens no connection.
func (i *inspector) nats() {
	n := &i.config.NATS
	i.word("nats.password-file", n.PasswordFile)
	i.word("nats.token-file", n.TokenFile)
	i.natsSeed("nats.credentials-file", n.CredentialsFile, parseCredentials)
	i.natsSeed("nats.nkey-file", n.NKeyFile, parseSeed)
	i.tlsFiles("nats", n.CA, n.Cert, n.Key)
}

// cluster checks the files for the NATS server in this process.
func (i *inspector) cluster() {
	n := &i.config.Cluster
	i.word("cluster.secret-file", n.SecretFile)
	i.tlsFiles("cluster", n.CA, n.Cert, n.Key)
}

// tlsFiles checks files for TLS, each of which may be missing.
func (i *inspector) tlsFiles(table, ca, cert, key string) {
	if ca != "" {
		if _, err := readCertificates(ca); err != nil {
			i.refuse(table+".ca", ": %v", err)
		}
	}
	if cert == "" || key == "" {
		return
	}
	if _, err := readCertificates(cert); err != nil {
		i.refuse(table+".cert", ": %v", err)
		return
	}
	if _, err := tls.LoadX509KeyPair(cert, key); err != nil {
		i.refuse(table+".key", ": %s does not fit the certificate in %s: %v", key, i.nameOf(table+".cert", table+".key"), plainPath(err))
	}
	i.secrecy(table+".key", key)
}

// natsSeed checks a file that has a seed.
func (i *inspector) natsSeed(path, file string, parse func([]byte) error) {
	if file == "" {
		return
	}
	b, err := readFile(file)
	if err == nil {
		err = parse(b)
	}
	if err != nil {
		i.refuse(path, ": %s: %v", file, err)
	}
	i.secrecy(path, file)
}

// parseCredentials checks credentials. Its errors show nothing of them.
func parseCredentials(b []byte) error {
	token, err := nkeys.ParseDecoratedJWT(b)
	if err != nil || token == "" {
		return errors.New("the file has no JWT of NATS; it must be credentials as nsc writes them")
	}
	if _, err := nkeys.ParseDecoratedUserNKey(b); err != nil {
		return errors.New("the file has no seed of a user of NATS, which begins with SU")
	}
	return nil
}

// parseSeed checks a file with the seed of an NKey. Its errors show nothing of it.
func parseSeed(b []byte) error {
	if _, err := nkeys.ParseDecoratedNKey(b); err != nil {
		return errors.New("the file has no seed of an NKey, which begins with SU")
	}
	return nil
}
