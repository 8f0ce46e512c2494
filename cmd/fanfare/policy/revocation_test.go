package policy

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy/revoke"
)

func tokenFor(t testing.TB, user, id string, issued time.Time) string {
	c := jwt.MapClaims{"read": []string{">"}, "exp": now.Add(24 * time.Hour).Unix()}
	if user != "" {
		c["sub"] = user
	}
	if id != "" {
		c["jti"] = id
	}
	if !issued.IsZero() {
		c["iat"] = issued.Unix()
	}
	return signed(t, hmacSecret, c)
}

// A revocation is for new connections, renewals and open connections.
func TestRevoke(t *testing.T) {
	tokens := []struct {
		user, id string
		issued   time.Time
	}{
		{"ada", "1", now.Add(-time.Hour)}, {"ada", "2", now.Add(-time.Minute)}, {"ada", "", time.Time{}}, {"bob", "1", now.Add(-time.Hour)}, {"bob", "3", now.Add(-time.Minute)}, {"", "4", now.Add(-time.Hour)}, {"", "", now.Add(-time.Hour)},
	}
	for name, c := range map[string]struct {
		revocation Revocation
		want       string // for each token, 1 if it is revoked
	}{
		"user":          {Revocation{User: "ada"}, "1110000"},
		"user and time": {Revocation{User: "ada", IssuedUntil: now.Add(-30 * time.Minute)}, "1010000"},
		"id":            {Revocation{ID: "1"}, "1001000"},
		"all":           {Revocation{IssuedUntil: now.Add(-30 * time.Minute)}, "1011011"},
		"nobody":        {Revocation{User: "eve"}, "0000000"},
	} {
		p := newPolicy(t, withTokens(t))
		var conns []*conn
		var handles []Handle
		for _, tok := range tokens {
			id := identify(t, p, tokenFor(t, tok.user, tok.id, tok.issued))
			c := new(conn)
			h, refusal := p.Open(c, &id)
			if refusal != nil || h == 0 {
				t.Fatal(refusal)
			}
			conns, handles = append(conns, c), append(handles, h)
		}
		ended, err := p.Revoke(c.revocation)
		if err != nil || ended != strings.Count(c.want, "1") {
			t.Errorf("%s: %d %v", name, ended, err)
		}
		for i, tok := range tokens {
			revoked := c.want[i] == '1'
			if (conns[i].ended.Load() == 1) != revoked || revoked && Reason(conns[i].why.Load()) != Revoked {
				t.Errorf("%s: connection %d was ended %d times", name, i, conns[i].ended.Load())
			}
			_, refusal := p.Identify(bearer(tokenFor(t, tok.user, tok.id, tok.issued)))
			if (refusal != nil) != revoked || revoked && (refusal.Code != CodeRevoked || refusal.Status != http.StatusUnauthorized) {
				t.Errorf("%s: token %d: %v", name, i, refusal)
			}
			p.Leave(handles[i])
		}
		if s := p.Stats(); s.Conns != 0 || s.Revocations != 1 || s.Revoked != uint64(ended) {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

// Revocations outlive a reload. A new token of a revoked user is valid.
func TestRevocationsStay(t *testing.T) {
	o := withTokens(t)
	k := new(clock)
	o.Now = k.now
	p := newPolicy(t, o)
	if _, err := p.Revoke(Revocation{User: "ada"}); err != nil {
		t.Fatal(err)
	}
	if errs := p.Update(o); errs != nil {
		t.Fatal(errs)
	}
	if _, refusal := p.Identify(bearer(tokenFor(t, "ada", "", now))); refusal == nil || refusal.Code != CodeRevoked {
		t.Errorf("%v", refusal)
	}
	k.move(2 * time.Second)
	if _, refusal := p.Identify(bearer(tokenFor(t, "ada", "", now.Add(time.Second)))); refusal != nil {
		t.Errorf("%v", refusal)
	}
}

func TestRevocationErrors(t *testing.T) {
	o := withTokens(t)
	o.MaxRevocations = 1
	p := newPolicy(t, o)
	for says, r := range map[string]Revocation{
		"not by both": {User: "a", ID: "b"}, "user": {User: "a b"}, "needs a user": {}, "whenever": {ID: "a", IssuedUntil: now},
		"in the future": {User: "a", IssuedUntil: now.Add(time.Hour)}, "is over": {User: "a", Keep: now.Add(-time.Hour)},
	} {
		if _, err := p.Revoke(r); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
	if _, err := p.Revoke(Revocation{ID: "a"}); err != nil {
		t.Error(err)
	}
	if _, err := p.Revoke(Revocation{ID: "b"}); err == nil || !strings.Contains(err.Error(), "1 revocations") {
		t.Error(err)
	}
}

// A connection is ended if the revocation comes while it is being opened or renewed: by the refusal, or by the search.
func TestRevokeWhileOpening(t *testing.T) {
	p := newPolicy(t, withTokens(t))
	for i := range 300 {
		name := fmt.Sprint(i)
		id := identify(t, p, tokenFor(t, "", name, now))
		old := identify(t, p, tokenFor(t, "", "", now))
		opened, renewed := new(conn), new(conn)
		h, _ := p.Open(renewed, &old)
		var wg sync.WaitGroup
		var first, second *Refusal
		wg.Go(func() { _, first = p.Open(opened, &id) })
		wg.Go(func() { _, second = p.Renew(h, renewed, &id) })
		wg.Go(func() { _, _ = p.Revoke(Revocation{ID: name}) })
		wg.Wait()
		if first == nil && opened.ended.Load() == 0 || second == nil && renewed.ended.Load() == 0 {
			t.Fatal("a revoked token has an open connection")
		}
	}
}

// Connections with a key end when the key does, or gets other rights.
func TestRevokedKeys(t *testing.T) {
	key := func(g Grants) []KeyOptions {
		return []KeyOptions{{Name: "publisher", File: file(t, publisherKey), Grants: g}}
	}
	o := Options{TokenFile: file(t, "secret"), Keys: key(Grants{Write: []string{"a"}})}
	p := newPolicy(t, o)
	kept, ended := new(conn), new(conn)
	secret, publisher := identify(t, p, "secret"), identify(t, p, publisherKey)
	for c, id := range map[*conn]*Identity{kept: &secret, ended: &publisher} {
		if h, refusal := p.Open(c, id); refusal != nil || h == 0 {
			t.Fatal(refusal)
		}
	}
	p.Update(o)
	if kept.ended.Load() != 0 || ended.ended.Load() != 0 {
		t.Error("a reload without changes has ended connections")
	}
	o.Keys = key(Grants{Write: []string{"b"}})
	p.Update(o)
	if kept.ended.Load() != 0 || ended.ended.Load() != 1 || Reason(ended.why.Load()) != KeyGone {
		t.Errorf("%d %d, %d", kept.ended.Load(), ended.ended.Load(), ended.why.Load())
	}
	if _, refusal := p.Open(new(conn), &publisher); refusal == nil || refusal.Code != CodeRevoked {
		t.Errorf("a key that has been replaced meanwhile: %v", refusal)
	}
	o.TokenFile = ""
	p.Update(o)
	if kept.ended.Load() != 1 {
		t.Error("a connection has a key that is gone")
	}
}

func TestOpen(t *testing.T) {
	o := withTokens(t)
	o.MaxConnsPerUser = 2
	p := newPolicy(t, o)
	anonymous, _ := p.Identify(Credentials{})
	if h, refusal := p.Open(new(conn), &anonymous); h != 0 || refusal != nil || p.Stats().Conns != 0 {
		t.Error("an anonymous connection is kept")
	}
	ada := identify(t, p, tokenFor(t, "ada", "", now))
	bob := identify(t, p, tokenFor(t, "bob", "", now))
	c := new(conn)
	h, refusal := p.Renew(0, c, &ada) // a token by message
	if h == 0 || refusal != nil {
		t.Fatal(refusal)
	}
	if again, refusal := p.Renew(h, c, &ada); again != h || refusal != nil {
		t.Error(refusal)
	}
	if again, refusal := p.Renew(h, c, &bob); again != h || refusal == nil || refusal.Code != CodeOtherUser || refusal.Status != http.StatusForbidden {
		t.Error(refusal)
	}
	if p.Admit(&ada) != nil {
		t.Error("refused with one connection of two")
	}
	if _, refusal := p.Open(new(conn), &ada); refusal != nil {
		t.Error(refusal)
	}
	_, refusal = p.Open(new(conn), &ada)
	for _, r := range []*Refusal{p.Admit(&ada), refusal} {
		if r == nil || r.Status != http.StatusTooManyRequests || r.Code != CodeTooManyConns || r.Header().Get("Retry-After") == "" {
			t.Errorf("%+v", r)
		}
	}
	more := signed(t, hmacSecret, jwt.MapClaims{"sub": "ada", "conns": 3})
	if id := identify(t, p, more); p.Admit(&id) != nil {
		t.Error("the token's own limit does not count")
	}
	if p.Admit(&bob) != nil || p.Admit(&anonymous) != nil {
		t.Error("others are refused")
	}
	p.Leave(h)
	p.Leave(0)
	if p.Admit(&ada) != nil || p.Stats().Conns != 1 {
		t.Errorf("%+v", p.Stats())
	}
}

// A connection ends when its token does, with the leeway, unless it is renewed.
func TestExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := withTokens(t)
		o.Now = time.Now
		p, errs := New(o)
		if errs != nil {
			t.Fatal(errs)
		}
		defer p.Close()
		until := func(d time.Duration) *Identity {
			id := identify(t, p, signed(t, hmacSecret, jwt.MapClaims{"sub": "ada", "exp": time.Now().Add(d).Unix()}))
			return &id
		}
		ended, renewed := new(conn), new(conn)
		_, _ = p.Open(ended, until(time.Minute))
		h, _ := p.Open(renewed, until(time.Minute))
		time.Sleep(65 * time.Second)
		if ended.ended.Load() != 0 {
			t.Error("the leeway does not count")
		}
		if _, refusal := p.Renew(h, renewed, until(time.Hour)); refusal != nil {
			t.Error(refusal)
		}
		time.Sleep(10 * time.Second)
		if ended.ended.Load() != 1 || Reason(ended.why.Load()) != Expired || renewed.ended.Load() != 0 {
			t.Errorf("%d %d", ended.ended.Load(), renewed.ended.Load())
		}
		time.Sleep(2 * time.Hour)
		if renewed.ended.Load() != 1 || p.Stats().Expired != 2 {
			t.Errorf("%+v", p.Stats())
		}
	})
}

// An identity that the operator's program has changed still ends with its token, and can be revoked.
func TestChangedIdentity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := withTokens(t)
		o.Now = time.Now
		p, errs := New(o)
		if errs != nil {
			t.Fatal(errs)
		}
		defer p.Close()
		var conns []*conn
		for _, jti := range []string{"1", "2"} {
			id := identify(t, p, signed(t, hmacSecret, jwt.MapClaims{"jti": jti, "exp": time.Now().Add(time.Hour).Unix()}))
			id.Kind, id.User, id.Expires = Backend, "eve", time.Time{}
			conns = append(conns, new(conn))
			if _, refusal := p.Open(conns[len(conns)-1], &id); refusal != nil {
				t.Fatal(refusal)
			}
			if _, err := p.Revoke(Revocation{ID: "2"}); err != nil {
				t.Fatal(err)
			}
			if _, refusal := p.Open(new(conn), &id); (refusal != nil) != (jti == "2") {
				t.Errorf("%s: %v", jti, refusal)
			}
			p.gone = revoke.New(time.Now, nil)
		}
		if conns[0].ended.Load() != 0 || conns[1].ended.Load() != 1 {
			t.Errorf("%d %d", conns[0].ended.Load(), conns[1].ended.Load())
		}
		time.Sleep(time.Hour + time.Minute)
		if conns[0].ended.Load() != 1 {
			t.Error("it outlives its token")
		}
	})
}

// Options are replaced while callers come.
func TestUpdateRaces(t *testing.T) {
	o := withTokens(t)
	o.TokenFile = file(t, "secret")
	p := newPolicy(t, o)
	tok := tokenFor(t, "ada", "1", now)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 200 {
				for _, secret := range []string{tok, "secret"} {
					id, refusal := p.Identify(bearer(secret))
					if refusal != nil {
						t.Error(refusal)
						return
					}
					h, refusal := p.Open(new(conn), &id)
					if refusal != nil {
						t.Error(refusal)
						return
					}
					p.Authorize(id.Rights, Read, "a")
					p.Leave(h)
				}
			}
		})
	}
	for range 20 {
		if errs := p.Update(o); errs != nil {
			t.Error(errs)
		}
	}
	wg.Wait()
	if s := p.Stats(); s.Conns != 0 {
		t.Errorf("%+v", s)
	}
}

// What happens for each message and each connection does not allocate.
func TestAllocations(t *testing.T) {
	p := newPolicy(t, withTokens(t))
	id := identify(t, p, tokenFor(t, "ada", "1", now))
	c := new(conn)
	keep, _ := p.Open(c, &id) // so that the tables of its user are there
	defer p.Leave(keep)
	if n := testing.AllocsPerRun(100, func() {
		h, refusal := p.Open(c, &id)
		if refusal != nil || p.Authorize(id.Rights, Read, "a.b.>") != nil {
			t.Error(refusal)
		}
		_, _ = p.Renew(h, c, &id)
		p.Leave(h)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkOpenAndLeave(b *testing.B) {
	p := newPolicy(b, withTokens(b))
	id := identify(b, p, tokenFor(b, "ada", "1", now))
	c := new(conn)
	b.ReportAllocs()
	for b.Loop() {
		h, _ := p.Open(c, &id)
		p.Leave(h)
	}
}
