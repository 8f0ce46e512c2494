package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nkeys"

	"github.com/fanfare-ws/fanfare/hub/natsbroker/natstest"
)

// nkey returns a key, what names it, and a file with its seed.
func nkey(t *testing.T, prefix nkeys.PrefixByte) (key nkeys.KeyPair, public, file string) {
	t.Helper()
	key, err := nkeys.CreatePairWithRand(prefix, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	seed, _ := key.Seed()
	public, _ = key.PublicKey()
	return key, public, tempFile(t, string(seed)+"\n")
}

// natsJWT returns a JWT of NATS about subject, signed by issuer.
func natsJWT(t *testing.T, issuer nkeys.KeyPair, subject string, claims map[string]any) string {
	t.Helper()
	by, _ := issuer.PublicKey()
	claims["version"] = 2
	body, err := json.Marshal(map[string]any{"jti": subject, "iat": time.Now().Unix(), "iss": by, "sub": subject, "name": subject, "nats": claims})
	if err != nil {
		t.Fatal(err)
	}
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"typ":"JWT","alg":"ed25519-nkey"}`)) + "." + base64.RawURLEncoding.EncodeToString(body)
	signature, err := issuer.Sign([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// operatorMode returns the configuration of a NATS server that trusts an operator's JWTs, and a file with credentials for it.
func operatorMode(t *testing.T) (conf, credentials string) {
	t.Helper()
	operator, operatorKey, _ := nkey(t, nkeys.PrefixByteOperator)
	account, accountKey, _ := nkey(t, nkeys.PrefixByteAccount)
	_, systemKey, _ := nkey(t, nkeys.PrefixByteAccount)
	_, userKey, seedFile := nkey(t, nkeys.PrefixByteUser)
	limits := map[string]any{"subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1}
	system := natsJWT(t, operator, systemKey, map[string]any{"type": "account", "limits": limits})
	stored := map[string]any{"mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1}
	for name, n := range limits {
		stored[name] = n
	}
	app := natsJWT(t, operator, accountKey, map[string]any{"type": "account", "limits": stored})
	user := natsJWT(t, account, userKey, map[string]any{"type": "user", "subs": -1, "data": -1, "payload": -1})
	seed, err := os.ReadFile(seedFile)
	if err != nil {
		t.Fatal(err)
	}
	conf = fmt.Sprintf("operator: %s\nsystem_account: %s\nresolver: MEMORY\nresolver_preload: { %s: %s, %s: %s }\n",
		natsJWT(t, operator, operatorKey, map[string]any{"type": "operator"}), systemKey, systemKey, system, accountKey, app)
	return conf, tempFile(t, fmt.Sprintf("-----BEGIN NATS USER JWT-----\n%s\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n%s\n------END USER NKEY SEED------\n",
		user, strings.TrimSpace(string(seed))))
}

// natsCertificate returns the files of a certificate, for servers and clients, and of its key.
func natsCertificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return tempFile(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))),
		tempFile(t, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})))
}

// A node logs in at NATS in each way. With the wrong secret, or none, the log says that NATS refuses it, and shows no secret.
func TestClusterLogin(t *testing.T) {
	cert, key := natsCertificate(t)
	_, user, seed := nkey(t, nkeys.PrefixByteUser)
	_, _, otherSeed := nkey(t, nkeys.PrefixByteUser)
	conf, credentials := operatorMode(t)
	_, otherCredentials := operatorMode(t)
	const violation = "nats: Authorization Violation"
	for name, c := range map[string]struct {
		conf, right, wrong, says string
	}{
		"password": {
			`authorization { user: node, password: "s/e:c@ret" }`, "-nats-user node -nats-password-file " + tempFile(t, "s/e:c@ret"),
			"-nats-user node -nats-password-file " + tempFile(t, "secretwrong"), violation,
		},
		"token":       {`authorization { token: "s/e:c@ret" }`, "-nats-token-file " + tempFile(t, "s/e:c@ret"), "", violation},
		"NKey":        {"authorization { users: [ { nkey: " + user + " } ] }", "-nats-nkey-file " + seed, "-nats-nkey-file " + otherSeed, violation},
		"credentials": {conf, "-nats-credentials-file " + credentials, "-nats-credentials-file " + otherCredentials, violation},
		"TLS": {
			fmt.Sprintf("tls { cert_file: %q, key_file: %q }", cert, key), "-nats-ca " + cert, "", "x509",
		},
		"certificates of both": {
			fmt.Sprintf("tls { cert_file: %q, key_file: %q, ca_file: %q, verify: true }", cert, key, cert),
			"-nats-ca " + cert + " -nats-cert " + cert + " -nats-key " + key, "-nats-ca " + cert, "tls",
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := natstest.Start(t, c.conf)
			a := start(t, append(strings.Fields(c.right), "-nats", server.URL)...).linked()
			a.posted("x", "text")
			b := start(t, append(strings.Fields(c.wrong), "-nats", server.URL)...)
			b.eventually("the log says what is wrong", func() bool { return strings.Contains(b.stderr.String(), c.says) })
			if log := b.stderr.String(); strings.Contains(log, "secret") || strings.Contains(log, "c@ret") || !b.readyIs(http.StatusServiceUnavailable, "unlinked") {
				t.Errorf("the log: %s", log)
			}
		})
	}
}

// A user of NATS with the permissions that docs/cluster.md lists is enough for a node, and one with none is told of.
func TestClusterPermissions(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("docs", "cluster.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, conf, _ := strings.Cut(string(doc), "<!-- permissions -->\n```\n")
	conf, _, found := strings.Cut(conf, "```")
	if !found {
		t.Fatal("docs/cluster.md has no permissions")
	}
	server := natstest.Start(t, conf)
	args := []string{"-nats", server.URL, "-nats-user", "fanfare", "-nats-password-file", tempFile(t, "PASSWORD"), "-topic", "> history=10 presence"}
	a, b := start(t, args...).linked(), start(t, args...).linked()
	c := b.join("/hub", nil)
	c.gets(`"do":"subscribe","topic":"x"`)
	a.posted("x", "text")
	c.message()
	for name, p := range map[string]*program{"a": a, "b": b} {
		if log := p.stderr.String(); strings.Contains(strings.ToLower(log), "permission") {
			t.Errorf("%s: %s", name, log)
		}
	}
}
