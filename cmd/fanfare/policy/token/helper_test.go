package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
)

// now is the time in these tests.
var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// secret is that of the tests: 64 bytes, for all algorithms.
var secret = []byte(strings.Repeat("0123456789abcdef", 4))

// Keys of each kind, made once.
var (
	rsaKey  = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	weakRSA = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 1024)) })
	p256    = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	p384    = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)) })
	p521    = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)) })
	edKey   = sync.OnceValue(func() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(secret[:32]) })
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// signer returns the key for an algorithm.
func signer(alg string) any {
	switch alg {
	case "ES256":
		return p256()
	case "ES384":
		return p384()
	case "ES512":
		return p521()
	case "EdDSA":
		return edKey()
	}
	if alg[0] == 'H' {
		return secret
	}
	return rsaKey()
}

// sign returns a token. Header parameters come in pairs after the claims.
func sign(t testing.TB, alg string, key any, claims map[string]any, header ...any) string {
	t.Helper()
	tok := jwt.NewWithClaims(jwt.GetSigningMethod(alg), jwt.MapClaims(claims))
	for i := 0; i < len(header); i += 2 {
		tok.Header[header[i].(string)] = header[i+1]
	}
	s, err := tok.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// signRaw returns a token with that text as claims, signed with HS256.
func signRaw(header, claims string) string {
	text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	signature := must(jwt.SigningMethodHS256.Sign(text, secret))
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

const plainHeader = `{"alg":"HS256"}`

func file(t testing.TB, content []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// publicPEM returns a file with public keys.
func publicPEM(t testing.TB, keys ...crypto.Signer) string {
	t.Helper()
	var all []byte
	for _, key := range keys {
		all = append(all, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(key.Public()))})...)
	}
	return file(t, all)
}

// set returns the JSON of a key set. Each key has the name that comes before it, or none if that is empty.
func set(t testing.TB, namesAndKeys ...any) []byte {
	t.Helper()
	var keys []jwkset.JWKMarshal
	for i := 0; i < len(namesAndKeys); i += 2 {
		options := jwkset.JWKOptions{Metadata: jwkset.JWKMetadataOptions{KID: namesAndKeys[i].(string)}}
		_, options.Marshal.Private = namesAndKeys[i+1].([]byte)
		key, err := jwkset.NewJWKFromKey(namesAndKeys[i+1], options)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key.Marshal())
	}
	return must(json.Marshal(map[string]any{"keys": keys}))
}

func newVerifier(t testing.TB, o Options) *Verifier {
	t.Helper()
	if o.Now == nil {
		o.Now = func() time.Time { return now }
	}
	v, errs := New(o)
	if errs != nil {
		t.Fatal(errs)
	}
	v.Start(nil)
	t.Cleanup(v.Close)
	return v
}

// hmac returns options with the secret of the tests.
func hmac(t testing.TB) Options { return Options{SecretFiles: []string{file(t, secret)}} }
