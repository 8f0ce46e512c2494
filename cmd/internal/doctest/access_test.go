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
	"regexp"
	"strconv"
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

// identify returns whom the policy identifies by a token with the claims in a block, but for the times.
func identify(t *testing.T, b block) policy.Identity {
	t.Helper()
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
	return id
}

// grants checks that the policy takes the rights from a token that has claims of another server, too.
func grants(t *testing.T, b block) {
	if id := identify(t, b); id.User != "42" || !id.Rights.May(policy.Read, "chat.index") || id.Rights.May(policy.Read, "news") {
		t.Errorf("%+v %+v", id, id.Rights.Grants())
	}
}

// claims checks that the policy takes a token with these claims, and that all of them matter.
func claims(t *testing.T, b block) {
	id := identify(t, b)
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

// objects returns the JSON objects of a block.
func objects(t *testing.T, b block) (all []string) {
	t.Helper()
	for d := json.NewDecoder(strings.NewReader(b.text)); d.More(); {
		var one json.RawMessage
		if err := d.Decode(&one); err != nil {
			t.Fatalf("%v: %v", b, err)
		}
		all = append(all, string(one))
	}
	return all
}

// hookRequests checks that the backend gets the requests in a block.
func hookRequests(t *testing.T, b block) {
	hooks := map[string]backend.Hook{"connect": backend.Connect, "subscribe": backend.Subscribe, "publish": backend.Publish}
	for _, text := range objects(t, b) {
		var q struct {
			Hook, Client, User, Path, Query, Topic, Key string
			Address                                     netip.Addr
			Headers                                     map[string]string
			Data                                        json.RawMessage
		}
		if err := json.Unmarshal([]byte(text), &q); err != nil {
			t.Fatal(err)
		}
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
		if body, err := ask(t, &r, `{"ok":{}}`); err != nil || !reflect.DeepEqual(object(t, body), object(t, text)) {
			t.Errorf("%v has %s, and the backend gets %s %v", b, text, body, err)
		}
	}
}

// hookAnswers checks that the answers in a block are valid for one of the hooks.
func hookAnswers(t *testing.T, b block) {
	for _, text := range objects(t, b) {
		valid := false
		for _, hook := range []backend.Hook{backend.Connect, backend.Subscribe, backend.Publish} {
			_, err := ask(t, &backend.Request{Hook: hook}, text)
			var refused *backend.Refusal
			valid = valid || err == nil || errors.As(err, &refused)
		}
		if !valid {
			t.Errorf("%v: no hook takes %s", b, text)
		}
	}
}

// claimNames checks that the verifier knows the claims in a table.
func claimNames(t *testing.T, b block) {
	code := strings.Join(sources(t, "cmd/fanfare/policy/token/*.go"), "\n")
	for _, line := range b.lines() {
		for name := range strings.SplitSeq(strings.TrimSpace(line[:min(9, len(line))]), ", ") {
			if !strings.Contains(code, `o, "`+name+`"`) && !strings.Contains(code, `o["`+name+`"]`) {
				t.Errorf("no claim %q is read", name)
			}
		}
	}
}

// statuses checks that refusals of the policy have the statuses in a table.
func statuses(t *testing.T, b block) {
	code := strings.Join(sources(t, "cmd/fanfare/policy/*.go"), "\n")
	for _, status := range terms(b) {
		n, _ := strconv.Atoi(status)
		name := "http.Status" + strings.ReplaceAll(http.StatusText(n), " ", "")
		if !strings.Contains(code, name) {
			t.Errorf("no refusal has the status %s, %s", status, name)
		}
	}
}

// limits has the code for each row of the tables of limits.
var limits = map[string]string{
	"keys ": "maxKeys = 1024", "secrets of a request": "maxSecrets = 4", "tokens": "MaxLength = 8 << 10", "names and patterns": "MaxPatterns = 1024",
	"revocations": "MaxRevocations ", "connections of a user": "MaxConnsPerUser ",
	"length of a token": "MaxLength = 8 << 10", "keys tried": "maxTried = 8", "keys of a set": "maxSet = 256", "files and responses": "maxFile = 1 << 20",
	"signatures remembered": "maxSeen = 1 << 15", "requests to the URL": "= 30 * time.Second",
}

// bounds checks that the code has the limits in a table.
func bounds(t *testing.T, b block) {
	code := strings.Join(sources(t, filepath.Dir(b.file)+"/*.go", filepath.Dir(b.file)+"/*/*.go"), "\n")
	code = regexp.MustCompile(` +=`).ReplaceAllString(code, " =")
	for _, line := range b.lines() {
		found := false
		for row, declared := range limits {
			found = found || strings.HasPrefix(line, row) && strings.Contains(code, declared)
		}
		if !found {
			t.Errorf("the code has no limit for %q", line)
		}
	}
}
