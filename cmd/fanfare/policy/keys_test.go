package policy

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy/token"
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

// Keys have rights of their own, and are read again by Update.
func TestKeys(t *testing.T) {
	o := Options{
		TokenFile: file(t, "secret"),
		Keys: []KeyOptions{
			{Name: "publisher", File: file(t, publisherKey+"\n"), Grants: Grants{Write: []string{"a.>"}, Limits: Limits{Messages: 5}}},
			{Name: "reader", File: file(t, " "+readerKey), Grants: Grants{Read: []string{">"}}},
		},
	}
	p := newPolicy(t, o)
	for secret, name := range map[string]string{publisherKey: "publisher", readerKey: "reader", "secret": "token"} {
		if id := identify(t, p, secret); id.Kind != Key || id.Name != name || id.Rights.May(Write, "a.b") == (name == "reader") {
			t.Errorf("%s: %+v", name, id)
		}
	}
	for _, secret := range []string{publisherKey + "x", publisherKey[1:], strings.ToUpper(readerKey), "", strings.Repeat("x", 1<<16)} {
		if id := identify(t, p, secret); id.Kind != Anonymous {
			t.Errorf("%.30q is key %s", secret, id.Name)
		}
	}
	if id := identify(t, p, publisherKey); id.Rights.Limits().Messages != 5 || id.Rights.Anonymous() {
		t.Errorf("%+v", id.Rights.Limits())
	}
	if r := p.Authorize(identify(t, p, readerKey).Rights, Write, "a"); r == nil || r.Status != http.StatusForbidden || !strings.Contains(r.Reason, `write "a"`) {
		t.Errorf("%+v", r)
	}
	o.Keys = o.Keys[1:]
	if errs := p.Update(o); errs != nil {
		t.Fatal(errs)
	}
	if identify(t, p, publisherKey).Kind != Anonymous || identify(t, p, readerKey).Kind != Key {
		t.Error("the keys have not been replaced")
	}
}

// Everything that is wrong is reported at once, with its field and without secrets, and a reload then changes nothing.
func TestOptionErrors(t *testing.T) {
	o := Options{
		TokenFile: file(t, "two words"),
		Keys: []KeyOptions{
			{Name: "a", File: file(t, "short-key")}, {Name: "a", File: file(t, publisherKey)}, {File: file(t, publisherKey)},
			{Name: "b", File: "/dev/zero"},
			{Name: "token", File: "/none", Grants: Grants{Read: []string{"a..b"}}},
		},
		Tokens:          token.Options{SecretFiles: []string{file(t, "short-secret")}, Leeway: -1},
		Anonymous:       &Grants{Read: []string{"a*"}},
		Users:           &Grants{List: []string{"{usr}"}},
		Granted:         &Grants{Manage: []string{""}},
		MaxConnsPerUser: -1, MaxRevocations: -1, KeepRevocations: -1,
	}
	want := []string{
		"max-conns-per-user: ", "max-revocations: ", "keep-revocations: ", "token-file: ", "keys[0].file: ", "keys[1].name: ", "keys[2].name: ",
		"keys[2].file: ", "keys[3].file: /dev/zero: the file has more", "keys[4].name: ", "keys[4]: read[0]: ", "keys[4].file: ", "granted: manage[0]: ", "tokens.leeway: ", "tokens.secret-files[0]: ",
		"anonymous: read[0]: ", "users: list[0]: ",
	}
	p := newPolicy(t, Options{TokenFile: file(t, "secret")})
	for name, errs := range map[string][]error{"check": o.Check(), "update": p.Update(o)} {
		for i, err := range errs {
			if i >= len(want) || !strings.HasPrefix(err.Error(), want[i]) || strings.Contains(err.Error(), "short-") || strings.Contains(err.Error(), publisherKey) {
				t.Errorf("%s: %d: %v", name, i, err)
			}
		}
		if len(errs) != len(want) {
			t.Errorf("%s: %d mistakes, want %d", name, len(errs), len(want))
		}
	}
	if identify(t, p, "secret").Kind != Key {
		t.Error("wrong options have changed something")
	}
	good := withTokens(t)
	if errs := good.Check(); errs != nil {
		t.Error(errs)
	}
}
