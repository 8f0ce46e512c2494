package main

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/golang-jwt/jwt/v5"
)

// keyServer has a set of Ed25519 keys at an address that stays the same.
type keyServer struct {
	*site
	mu     sync.Mutex
	kids   []string
	broken string // what it answers instead of the keys
}

// newKeyServer returns a server that is not up yet.
func newKeyServer(t *testing.T, kids ...string) *keyServer {
	t.Helper()
	s := &keyServer{kids: kids}
	s.site = newSite(t, s.serve)
	return s
}

func (s *keyServer) url() string { return "http://" + s.addr + "/keys" }

// answers sets what the server says: its keys, unless there is a text.
func (s *keyServer) answers(broken string, kids ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken, s.kids = broken, kids
}

func (s *keyServer) serve(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != "" {
		_, _ = w.Write([]byte(s.broken))
		return
	}
	keys := []map[string]string{}
	for _, kid := range s.kids {
		x := base64.RawURLEncoding.EncodeToString(edKey(kid).Public().(ed25519.PublicKey))
		keys = append(keys, map[string]string{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": kid, "x": x})
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"keys": keys})
}

// edKey returns the private key of that name.
func edKey(kid string) ed25519.PrivateKey {
	seed := make([]byte, ed25519.SeedSize)
	copy(seed, kid)
	return ed25519.NewKeyFromSeed(seed)
}

// edToken returns a token that the key of that name signs. Each is another one.
func (s *keyServer) edToken(kid string) string {
	s.t.Helper()
	return sign(s.t, jwt.SigningMethodEdDSA, edKey(kid), kid, map[string]any{
		"sub": "ada", "jti": time.Now().String(), "exp": time.Now().Add(time.Hour).Unix(), "read": []string{">"},
	})
}

// tries connects with a new token of that key, and returns the status and Retry-After.
func (c *child) tries(s *keyServer, kid string) (status int, retry string) {
	c.t.Helper()
	ws, resp, err := websocket.Dial(c.long(), "ws://"+c.addr+"/echo?token="+s.edToken(kid), nil)
	if err == nil {
		_ = ws.CloseNow()
		return http.StatusSwitchingProtocols, ""
	}
	if resp == nil {
		c.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get("Retry-After")
}

// wantsKey waits until tokens of that key are answered with a status.
func (c *child) wantsKey(s *keyServer, kid string, want int) {
	c.t.Helper()
	got := 0
	if !settles(func() bool { got, _ = c.tries(s, kid); return got == want }) {
		c.t.Fatalf("tokens with the key %s get %d, want %d: %s", kid, got, want, c.stderr.String())
	}
}

// The keys that a URL had last stay in force while it is down or answers nonsense, also over reloads, which fetch the keys at
// once. When it is back, its new keys come into force.
func TestJWKSDisappears(t *testing.T) {
	t.Parallel()
	s := newKeyServer(t, "one")
	s.up()
	seconds := 10
	file := tempFile(t, s.config(seconds))
	c := startChild(t, "-config", file)
	reload := func() {
		seconds++ // otherwise the keys are not fetched
		writeFile(t, file, s.config(seconds))
		c.hangUp("reloaded the configuration")
	}
	c.wantsKey(s, "one", http.StatusSwitchingProtocols)
	ws := c.dial("/topics/news?token=" + s.edToken("one"))

	for n, broken := range []string{"", "<html>nonsense", `{"keys":[]}`, strings.Repeat(" ", 4<<20)} {
		if s.down(); broken != "" {
			s.answers(broken)
			s.up()
		}
		reload()
		c.eventually("the failure is logged", func() bool { return strings.Count(c.stderr.String(), "cannot fetch the keys") > n })
		for range 10 {
			if status, _ := c.tries(s, "one"); status != http.StatusSwitchingProtocols {
				t.Fatalf("%.20q: a known key gets %d", broken, status)
			}
		}
		if status, retry := c.tries(s, "two"); status != http.StatusServiceUnavailable || retry == "" {
			t.Errorf("%.20q: an unknown key gets %d, Retry-After %q", broken, status, retry)
		}
	}

	s.answers("", "two")
	reload()
	c.wantsKey(s, "two", http.StatusSwitchingProtocols)
	c.wantsKey(s, "one", http.StatusUnauthorized)
	if err := ws.Ping(ws.CloseRead(c.long())); err != nil {
		t.Errorf("a connection that was open before: %v", err)
	}
}

// config is a file with the URL of the keys, which are fetched again after that time.
func (s *keyServer) config(seconds int) string {
	return fmt.Sprintf("[token]\njwks-url = %q\nrefresh = '%ds'\n", s.url(), seconds)
}

// A server starts while the URL is down. Until it is up, tokens get 503, and everything else works.
func TestJWKSIsDownAtTheStart(t *testing.T) {
	t.Parallel()
	s := newKeyServer(t, "one")
	c := startChild(t, "-jwt-jwks-url", s.url(), "-token-file", tokenFile(t))
	if status, retry := c.tries(s, "one"); status != http.StatusServiceUnavailable || retry == "" {
		t.Errorf("a token gets %d, Retry-After %q", status, retry)
	}
	if status, _ := c.refused("/echo"); status != http.StatusUnauthorized {
		t.Errorf("a client without a token gets %d", status)
	}
	c.numbers(1, 3)
	ws := c.dial("/echo?token=secret")
	c.send(ws, "x")
	c.wants(ws, websocket.MessageText, "x")
	if resp, body := c.request("GET", "/topics/news/history?token="+s.edToken("one"), "", nil); resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
		t.Errorf("the API answers %d %s", resp.StatusCode, body)
	}
	s.up()
	c.wantsKey(s, "one", http.StatusSwitchingProtocols)
	c.eventually("it says that the keys are there", func() bool { return strings.Contains(c.stderr.String(), "can be fetched again") })
}
