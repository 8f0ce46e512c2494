package policy

import (
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

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
)

// answers has what identities may do: the status of reading, writing, listing and managing topic a, and the same for @ada.
func answers(p *Policy, id Identity) (all []int) {
	for _, topic := range []string{"a", "@ada"} {
		for _, do := range []Action{Read, Write, List, Manage} {
			status := http.StatusOK
			if r := p.Authorize(id.Rights, do, topic); r != nil {
				status = r.Status
			}
			all = append(all, status)
		}
	}
	return all
}

func TestDefaults(t *testing.T) {
	keys := []KeyOptions{{Name: "publisher", File: file(t, publisherKey), Grants: Grants{Write: []string{"a", "@>"}}}}
	for _, c := range []struct {
		name    string
		options Options
		secrets []string
		kind    Kind
		want    string
	}{
		{"open", Options{}, nil, Anonymous, "200 200 200 200 403 200 403 200"},
		{"open, with somebody's token", Options{}, []string{"secret"}, Anonymous, "200 200 200 200 403 200 403 200"},
		{"token file, nothing", Options{TokenFile: file(t, "secret\n")}, nil, Anonymous, "200 401 200 401 401 401 401 401"},
		{"token file, wrong", Options{TokenFile: file(t, "secret\n")}, []string{"secre", "secret1", ""}, Anonymous, "200 401 200 401 401 401 401 401"},
		{"token file, right", Options{TokenFile: file(t, "secret\n")}, []string{"other", "secret"}, Key, "200 200 200 200 200 200 200 200"},
		{"key", Options{Keys: keys}, []string{publisherKey}, Key, "403 200 403 403 403 200 403 403"},
		{"keys, nothing", Options{Keys: keys}, nil, Anonymous, "200 401 200 401 401 401 401 401"},
		{"keys, nobody else", Options{Keys: keys, Anonymous: &Grants{}}, nil, Anonymous, "401 401 401 401 401 401 401 401"},
	} {
		p := newPolicy(t, c.options)
		id, refusal := p.Identify(bearer(c.secrets...))
		if refusal != nil || id.Kind != c.kind {
			t.Errorf("%s: %v %v", c.name, id.Kind, refusal)
			continue
		}
		if got := statuses(answers(p, id)); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func statuses(all []int) string {
	words := make([]string, len(all))
	for i, n := range all {
		words[i] = strconv.Itoa(n)
	}
	return strings.Join(words, " ")
}

// A key can be given as text; errors do not show it.
func TestSecretOfKey(t *testing.T) {
	all := Grants{Write: []string{">"}}
	p := newPolicy(t, Options{Keys: []KeyOptions{{Name: "publisher", Secret: publisherKey, Grants: all}}})
	if id, refusal := p.Identify(bearer(publisherKey)); refusal != nil || id.Name != "publisher" {
		t.Errorf("%+v, %v", id, refusal)
	}
	for _, secret := range []string{"too-short", "has two-words-in-it"} {
		o := Options{Keys: []KeyOptions{{Name: "publisher", Secret: secret, Grants: all}}}
		if errs := o.Check(); len(errs) != 1 || !strings.HasPrefix(errs[0].Error(), "keys[0].secret: ") || strings.Contains(errs[0].Error(), secret) {
			t.Errorf("%v", errs)
		}
	}
}
