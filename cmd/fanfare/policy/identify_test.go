package policy

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy/token"
)

func TestTokens(t *testing.T) {
	o := withTokens(t)
	o.Granted = &Grants{Read: []string{"public.>", "inbox.{user}.>"}, Limits: Limits{Messages: 7, Conns: 2}}
	o.Keys = []KeyOptions{{Name: "publisher", File: file(t, publisherKey), Grants: Grants{Write: []string{">"}}}}
	p := newPolicy(t, o)
	at := now.Add(time.Minute)
	id := identify(t, p, signed(t, hmacSecret, map[string]any{
		"sub": "ada", "jti": "j", "exp": at.Unix(), "iat": now.Unix(), "write": []string{"chat.*", "@{user}"}, "data": map[string]any{"n": 1}, "rate": map[string]any{"bytes": 9},
	}))
	if id.Kind != Token || id.User != "ada" || id.ID != "j" || !id.Expires.Equal(at) || !id.Issued.Equal(now) || string(id.Data) != `{"n":1}` || id.Rights.Limits() != (Limits{Bytes: 9}) {
		t.Errorf("%+v", id)
	}
	if r := id.Rights; !r.May(Write, "chat.x") || !r.May(Write, "@ada") || r.May(Write, "@bob") || r.May(Read, "public.x") {
		t.Errorf("%+v", r.Grants())
	}
	id = identify(t, p, signed(t, hmacSecret, map[string]any{"sub": "a.b", "rate": map[string]any{"messages": 3}}))
	if r := id.Rights; !r.May(Read, "public.x") || !r.May(Read, "inbox.a%2Eb.x") || r.May(Read, "inbox.a.b.x") || r.Limits() != (Limits{Messages: 3, Conns: 2}) {
		t.Errorf("%+v", r.Grants())
	}
	if id := identify(t, p, signed(t, hmacSecret, map[string]any{"read": []string{}})); id.Rights.Any(Read) || id.User != "" {
		t.Error("a token with an empty list has the rights of tokens without a list")
	}
	if id, refusal := p.Identify(Credentials{}); refusal != nil || id.Rights.Any(Read) || !id.Rights.Anonymous() {
		t.Errorf("anonymous callers have rights: %v", refusal)
	}
	for name, c := range map[string]struct {
		secrets []string
		code    string
	}{
		"a bad signature":       {[]string{signed(t, otherSecret, nil)}, "bad-signature"},
		"expired":               {[]string{signed(t, hmacSecret, map[string]any{"exp": now.Add(-time.Hour).Unix()})}, "expired"},
		"no token":              {[]string{"abc"}, CodeUnknownKey},
		"a bad pattern":         {[]string{signed(t, hmacSecret, map[string]any{"read": []string{"a*"}})}, "bad-claim"},
		"the first one decides": {[]string{"abc", signed(t, otherSecret, nil)}, CodeUnknownKey},
		"too long":              {[]string{"a.b." + strings.Repeat("c", token.MaxLength)}, "too-long"},
	} {
		_, refusal := p.Identify(bearer(c.secrets...))
		if refusal == nil || refusal.Status != http.StatusUnauthorized || refusal.Code != c.code || !strings.HasPrefix(refusal.Header().Get("WWW-Authenticate"), `Bearer error="invalid_token", error_description="`) {
			t.Errorf("%s: %+v, want %s", name, refusal, c.code)
		}
	}
	if id, refusal := p.Identify(bearer("abc", signed(t, otherSecret, nil), publisherKey)); refusal != nil || id.Kind != Key {
		t.Errorf("a key among others: %v", refusal)
	}
	if id, refusal := p.Identify(bearer("abc", signed(t, hmacSecret, map[string]any{"sub": "ada"}))); refusal != nil || id.User != "ada" {
		t.Errorf("a token among others: %v", refusal)
	}
}

// 401 asks for credentials, 403 says that others would be needed.
func TestStatus(t *testing.T) {
	p := newPolicy(t, withTokens(t))
	anonymous, _ := p.Identify(Credentials{})
	ada := identify(t, p, signed(t, hmacSecret, map[string]any{"sub": "ada", "read": []string{"a"}}))
	for _, c := range []struct {
		rights *Rights
		do     Action
		topic  string
		status int
	}{
		{anonymous.Rights, Read, "a", 401}, {ada.Rights, Read, "a", 0}, {ada.Rights, Read, ">", 403}, {ada.Rights, Write, "a", 403}, {ada.Rights, Manage, "@ada", 403}, {nil, Read, "a", 401},
	} {
		r := p.Authorize(c.rights, c.do, c.topic)
		if (r == nil) != (c.status == 0) || r != nil && (r.Status != c.status || r.Reason == "" || (r.Challenge != "") != (c.status == 401)) {
			t.Errorf("%s %s: %+v, want %d", c.do, c.topic, r, c.status)
		}
	}
}

// A proxy names users, whose rights are those of everybody if they have none of their own. A token says it itself.
func TestProxyUsers(t *testing.T) {
	o := withTokens(t)
	o.Users = &Grants{Read: []string{"inbox.{user}.>"}}
	p := newPolicy(t, o)
	by := func(user, secret string) Identity {
		t.Helper()
		c := bearer(secret)
		c.User = user
		id, refusal := p.Identify(c)
		if refusal != nil {
			t.Fatal(refusal)
		}
		return id
	}
	if id := by("ada", ""); id.Kind != Proxy || id.User != "ada" || !id.Rights.May(Read, "inbox.ada.x") || id.Rights.May(Read, "inbox.bob.x") || id.Rights.Anonymous() {
		t.Errorf("%+v", id)
	}
	if id := by("ada", signed(t, hmacSecret, map[string]any{"sub": "bob"})); id.Kind != Token || id.User != "bob" {
		t.Errorf("%+v", id)
	}
	if id := by("ada", signed(t, hmacSecret, map[string]any{"read": []string{"{user}"}})); id.Kind != Token || id.User != "ada" || !id.Rights.May(Read, "ada") {
		t.Errorf("%+v", id)
	}
	if _, refusal := p.Identify(Credentials{User: "a b"}); refusal == nil || refusal.Status != http.StatusBadRequest || refusal.Code != CodeBadUser {
		t.Errorf("%v", refusal)
	}
	if id, _ := newPolicy(t, Options{}).Identify(Credentials{User: "ada"}); id.Kind != Proxy || !id.Rights.May(Write, "a") || id.Rights.May(Read, "@ada") {
		t.Errorf("%+v", id)
	}
}

func TestBackend(t *testing.T) {
	p := newPolicy(t, Options{})
	id, err := p.FromBackend(Granted{User: "ada", Grants: Grants{Read: []string{"{user}"}}, Data: json.RawMessage(`{ "a": 1 }`), Expires: now.Add(time.Minute)})
	if err != nil || id.Kind != Backend || !id.Rights.May(Read, "ada") || string(id.Data) != `{"a":1}` {
		t.Errorf("%+v %v", id, err)
	}
	for says, g := range map[string]Granted{"user: ": {User: "a b"}, "read[0]: ": {Grants: Grants{Read: []string{""}}}, "data: ": {Data: json.RawMessage(`{`)}} {
		if _, err := p.FromBackend(g); err == nil || !strings.HasPrefix(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
}

// While the keys are not there, tokens are refused for the moment, and keys are not.
func TestKeysUnavailable(t *testing.T) {
	p := newPolicy(t, Options{Tokens: token.Options{JWKSURL: "http://127.0.0.1:0/"}, TokenFile: file(t, "secret")})
	tok := signed(t, hmacSecret, nil)
	if _, refusal := p.Identify(bearer(tok)); refusal == nil || refusal.Status != http.StatusUnauthorized {
		t.Errorf("an algorithm that can never be valid: %v", refusal)
	}
	tok = strings.Join([]string{"eyJhbGciOiJSUzI1NiJ9", "e30", "AAAA"}, ".")
	_, refusal := p.Identify(bearer("other", tok))
	if refusal == nil || refusal.Status != http.StatusServiceUnavailable || refusal.Handshake().Header.Get("Retry-After") == "" {
		t.Errorf("%+v", refusal)
	}
	if identify(t, p, "secret").Kind != Key {
		t.Error("the key is refused")
	}
}

func BenchmarkIdentify(b *testing.B) {
	o := withTokens(b)
	o.TokenFile = file(b, "secret")
	p := newPolicy(b, o)
	for name, secret := range map[string]string{"key": "secret", "token": signed(b, hmacSecret, map[string]any{"sub": "ada", "read": []string{"news.>"}, "exp": now.Add(time.Hour).Unix()})} {
		sent := request("", "Authorization: Bearer "+secret)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, refusal := p.Identify(p.Credentials(sent)); refusal != nil {
					b.Fatal(refusal)
				}
			}
		})
	}
}
