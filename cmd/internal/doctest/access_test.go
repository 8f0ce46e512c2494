package doctest

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/backend"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy/token"
)

// object returns the members of a JSON object.
func object(t *testing.T, line string) (o map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(line), &o); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return o
}

// claims checks that the policy takes a token with these claims, but for the times, and that all of them matter.
func claims(t *testing.T, b block) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(strings.Repeat("s", 32)), 0o600); err != nil {
		t.Fatal(err)
	}
	p, errs := policy.New(policy.Options{Tokens: token.Options{SecretFiles: []string{secret}}})
	if errs != nil {
		t.Fatal(errs)
	}
	defer p.Close()
	c := jwt.MapClaims(object(t, b.text))
	c["iat"], c["exp"] = time.Now().Unix(), time.Now().Add(time.Hour).Unix()
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, c).SignedString([]byte(strings.Repeat("s", 32)))
	if err != nil {
		t.Fatal(err)
	}
	id, refusal := p.Identify(policy.Message(text))
	if refusal != nil {
		t.Fatal(refusal)
	}
	g, limits := id.Rights.Grants(), id.Rights.Limits()
	if id.User == "" || id.ID == "" || id.Data == nil || id.Expires.IsZero() || id.Issued.IsZero() || g.Read == nil || g.Write == nil || g.List == nil ||
		limits.Messages == 0 || limits.Bytes == 0 || limits.Conns == 0 {
		t.Errorf("%+v %+v", id, g)
	}
}

// ask has a backend asked that gives an answer, and returns the body of the request, and the result.
func ask(t *testing.T, r *backend.Request, answer string) (body string, err error) {
	t.Helper()
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		body = string(b)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, answer)
	}))
	defer app.Close()
	hook := backend.HookOptions{URL: app.URL}
	ask, err := backend.New(backend.Options{Connect: hook, Subscribe: hook, Publish: hook})
	if err != nil {
		t.Fatal(err)
	}
	defer ask.Close(t.Context())
	_, err = ask.Do(t.Context(), r)
	return body, err
}

// hookRequests checks that the backend gets the requests on the page.
func hookRequests(t *testing.T, b block) {
	for _, line := range b.lines() {
		var q struct {
			Hook, Client, User, Path, Query, Topic, Key string
			Address                                     netip.Addr
			Headers                                     map[string]string
			Data                                        json.RawMessage
		}
		if err := json.Unmarshal([]byte(line), &q); err != nil {
			t.Fatal(err)
		}
		hooks := map[string]backend.Hook{"connect": backend.Connect, "subscribe": backend.Subscribe, "publish": backend.Publish}
		r := backend.Request{
			Hook: hooks[q.Hook], Client: q.Client, Address: q.Address, User: q.User, Path: q.Path, Query: q.Query, Topic: q.Topic, Key: q.Key,
			Header: http.Header{},
		}
		for name, value := range q.Headers {
			r.Header.Set(name, value)
		}
		if q.Data != nil {
			r.Message = backend.Message{Form: backend.JSON, Data: q.Data}
		}
		if body, err := ask(t, &r, `{"ok":{}}`); err != nil || !reflect.DeepEqual(object(t, body), object(t, line)) {
			t.Errorf("the page has %s, and the backend gets %s %v", line, body, err)
		}
	}
}

// hookAnswers checks that the answers on the page are valid for one of the hooks.
func hookAnswers(t *testing.T, b block) {
	for _, line := range b.lines() {
		valid := false
		for _, hook := range []backend.Hook{backend.Connect, backend.Subscribe, backend.Publish} {
			_, err := ask(t, &backend.Request{Hook: hook}, line)
			var refused *backend.Refusal
			valid = valid || err == nil || errors.As(err, &refused)
		}
		if !valid {
			t.Errorf("no hook takes %s", line)
		}
	}
}
