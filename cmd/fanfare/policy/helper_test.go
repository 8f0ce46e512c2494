package policy

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy/token"
)

// now is the time in these tests.
var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// clock is a wall clock that can be set.
type clock struct{ offset atomic.Int64 }

func (c *clock) now() time.Time       { return now.Add(time.Duration(c.offset.Load())) }
func (c *clock) move(d time.Duration) { c.offset.Add(int64(d)) }

// file returns a file with that content.
func file(t testing.TB, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func newPolicy(t testing.TB, o Options) *Policy {
	t.Helper()
	if o.Now == nil {
		o.Now = new(clock).now
	}
	p, errs := New(o)
	if errs != nil {
		t.Fatal(errs)
	}
	t.Cleanup(p.Close)
	return p
}

// bearer returns credentials with secrets in the header.
func bearer(secrets ...string) (c Credentials) {
	for _, s := range secrets {
		c.add(FromHeader, s)
	}
	return c
}

const (
	publisherKey = "publisher-0123456789"
	readerKey    = "reader-0123456789"
	hmacSecret   = "0123456789abcdef0123456789abcdef"
	otherSecret  = "ffffffffffffffffffffffffffffffff"
)

// signed returns a token.
func signed(t testing.TB, secret string, claims jwt.MapClaims) string {
	t.Helper()
	s, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// withTokens returns options with tokens by HMAC.
func withTokens(t testing.TB) Options {
	return Options{Tokens: token.Options{SecretFiles: []string{file(t, hmacSecret)}, Leeway: 10 * time.Second}}
}

// identify returns who has the secret.
func identify(t testing.TB, p *Policy, secret string) Identity {
	t.Helper()
	id, refusal := p.Identify(bearer(secret))
	if refusal != nil {
		t.Fatal(refusal)
	}
	return id
}

// request returns what a request with a header has. The header has lines.
func request(query string, lines ...string) Sent {
	h := make(http.Header)
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		h.Add(name, value)
	}
	r := &http.Request{Header: h, URL: must(url.Parse("http://here/x?" + query))}
	return Request(r, true)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// conn is a connection that counts how often it was ended, and why.
type conn struct {
	ended atomic.Int32
	why   atomic.Int32
}

func (c *conn) End(why Reason) {
	c.ended.Add(1)
	c.why.Store(int32(why))
}
