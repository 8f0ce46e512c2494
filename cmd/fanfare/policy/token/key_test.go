package token

import (
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// Everything that is wrong is reported at once, with its field.
func TestOptionErrors(t *testing.T) {
	private := file(t, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")}))
	broken := file(t, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")}))
	large := filepath.Join(t.TempDir(), "large")
	if err := os.WriteFile(large, make([]byte, maxFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		options Options
		says    []string
	}{
		{Options{}, []string{"secret-files: there is no key"}},
		{Options{SecretFiles: []string{"/none", file(t, []byte("short\n")), publicPEM(t, rsaKey()), large}},
			[]string{"secret-files[0]: open /none", "secret-files[1]: the secret in", "secret-files[2]: ", "secret-files[3]: "}},
		{Options{PublicKeyFiles: []string{file(t, secret), private, broken, publicPEM(t, weakRSA()), file(t, nil)}},
			[]string{"public-key-files[0]: ", "public-key-files[1]: ", "public-key-files[2]: ", "public-key-files[3]: ", "public-key-files[4]: "}},
		{Options{SecretFiles: []string{file(t, secret[:32])}, Algorithms: []string{"HS512"}}, []string{"secret-files[0]: the key is for HS256 only"}},
		{Options{SecretFiles: []string{file(t, secret)}, Algorithms: []string{"none", "hs256", "HS256"}}, []string{`algorithms[0]: "none"`, `algorithms[1]: "hs256"`}},
		{Options{JWKSFile: "/none"}, []string{"jwks-file: "}},
		{Options{JWKSFile: file(t, []byte("{}"))}, []string{"jwks-file: none of the 0 keys"}},
		{Options{JWKSFile: file(t, set(t, "weak", weakRSA().Public()))}, []string{"jwks-file: none of the 1 keys"}},
		{Options{JWKSURL: "file:///etc/passwd"}, []string{"jwks-url: "}},
		{Options{JWKSURL: "https:///x"}, []string{"jwks-url: "}},
		{Options{SecretFiles: []string{file(t, secret)}, Leeway: -1, Refresh: time.Second, MaxLifetime: 1, MaxData: -1}, []string{"refresh: ", "leeway: ", "max-lifetime: ", "max-data: "}},
		{Options{SecretFiles: slices.Repeat([]string{file(t, secret)}, maxTried+1)}, []string{"public-key-files: there are 9 keys"}},
	} {
		_, errs := New(c.options)
		if len(errs) != len(c.says) {
			t.Errorf("%q, want %q", errs, c.says)
			continue
		}
		for i, err := range errs {
			if !strings.HasPrefix(err.Error(), c.says[i]) || strings.Contains(err.Error(), string(secret[:16])) {
				t.Errorf("%q, want %q", err, c.says[i])
			}
		}
	}
}

// The algorithms follow from the keys. A URL does not make a secret of what everybody can read.
func TestDefaultAlgorithms(t *testing.T) {
	for _, c := range []struct {
		options Options
		want    string
	}{
		{Options{SecretFiles: []string{file(t, secret[:32])}}, "HS256"},
		{Options{SecretFiles: []string{file(t, secret[:48])}}, "HS256 HS384"},
		{Options{SecretFiles: []string{file(t, append([]byte{0, ' '}, secret[:30]...))}}, "HS256"}, // white space is part of a binary secret
		{Options{PublicKeyFiles: []string{publicPEM(t, p384(), edKey())}}, "ES384 EdDSA"},
		{Options{PublicKeyFiles: []string{publicPEM(t, rsaKey())}}, "RS256 RS384 RS512 PS256 PS384 PS512"},
		{Options{JWKSURL: "https://id.example/"}, "RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA"},
		{Options{JWKSURL: "https://id.example/", SecretFiles: []string{file(t, secret[:32])}, Algorithms: []string{"HS256"}}, "HS256"},
	} {
		v, errs := New(c.options)
		if errs != nil {
			t.Fatal(errs)
		}
		if got := strings.Join(v.allowed, " "); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
	if s, err := parseSet(set(t, "s", secret), false); err == nil {
		t.Errorf("a secret from a URL is accepted: %d keys", s.n)
	}
	if _, err := parseSet([]byte(`{"keys":[`+encryptionKey(t)+`]}`), false); err == nil {
		t.Error("a key for encryption is accepted")
	}
}

func encryptionKey(t *testing.T) string {
	s := string(set(t, "k", rsaKey().Public()))
	s = s[strings.Index(s, "[")+1 : strings.LastIndex(s, "]")]
	return strings.Replace(s, `"kid"`, `"use":"enc","kid"`, 1)
}

// A token that names no key is checked with a few at most.
func TestManyKeysWithoutNames(t *testing.T) {
	var all []any
	for range maxTried + 1 {
		all = append(all, "", p256().Public())
	}
	v := newVerifier(t, Options{JWKSFile: file(t, set(t, all...))})
	if _, err := v.Verify(sign(t, "ES256", p256(), nil)); codeOf(err) != UnknownKey || !strings.Contains(err.Reason, "9") {
		t.Error(err)
	}
}

// The memory for tokens that have been seen is bounded, and those that come again remain.
func TestSeenIsBounded(t *testing.T) {
	e := newEpoch(nil)
	hash := func(i int) tokenHash { return e.hash(fmt.Sprint(i)) }
	before := heap()
	const first = maxSeen / 2
	for i := range first {
		e.put(hash(i))
	}
	each := float64(heap()-before) / first
	if t.Logf("%.1f bytes for each token", each); each > 24 {
		t.Errorf("%.1f bytes for each token", each)
	}
	for i := range 5 * maxSeen {
		if e.put(hash(i)); i%1000 == 0 && !e.has(hash(0)) {
			t.Fatalf("forgotten after %d", i)
		}
	}
	if e.has(hash(first + 1)) {
		t.Error("a token is remembered that has not come again")
	}
	for i := range e.seen {
		if g := &e.seen[i]; g.new.n > maxSeen/seenParts || g.old.n > maxSeen/seenParts {
			t.Errorf("%d and %d", g.new.n, g.old.n)
		}
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A set has what was put into it, and nothing else.
func TestHashSet(t *testing.T) {
	e := newEpoch(nil)
	var s hashSet
	for i := range 3000 {
		h := e.hash(fmt.Sprint(i))
		if s.has(h) {
			t.Fatalf("%d is in the set before", i)
		}
		s.put(h)
		s.put(h)
		if s.n != i+1 || !s.has(h) || !s.has(e.hash(fmt.Sprint(i/2))) {
			t.Fatalf("%d of %d", i, s.n)
		}
	}
	if other := newEpoch(nil); e.hash("x") == other.hash("x") {
		t.Error("two epochs have the same salt")
	}
}
