package token

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy/rights"
)

// everyKey returns options with a key of each kind.
func everyKey(t testing.TB) Options {
	return Options{
		SecretFiles:    []string{file(t, append(secret, '\n'))},
		PublicKeyFiles: []string{publicPEM(t, rsaKey(), p256()), publicPEM(t, p384(), p521(), edKey())},
	}
}

func TestEveryAlgorithm(t *testing.T) {
	for source, o := range map[string]Options{
		"files": everyKey(t),
		"jwks": {
			JWKSFile:   file(t, set(t, "", rsaKey().Public(), "", p256().Public(), "", p384().Public(), "", p521().Public(), "", edKey().Public(), "", secret)),
			Algorithms: algorithms,
		},
		"named jwks": {
			JWKSFile:   file(t, set(t, "R", rsaKey().Public(), "ES256", p256().Public(), "ES384", p384().Public(), "ES512", p521().Public(), "EdDSA", edKey().Public(), "H", secret)),
			Algorithms: algorithms,
		},
	} {
		v := newVerifier(t, o)
		for _, alg := range algorithms {
			var header []any
			if source == "named jwks" {
				kid := alg
				if alg[1] == 'S' && alg[0] != 'E' {
					kid = strings.Replace(alg[:1], "P", "R", 1)
				}
				header = []any{"kid", kid}
			}
			tok := sign(t, alg, signer(alg), map[string]any{"sub": "ada"}, header...)
			for range 2 { // the second one may be remembered
				if c, err := v.Verify(tok); err != nil || c.User != "ada" {
					t.Errorf("%s: %s: %v %v", source, alg, c, err)
				}
			}
			broken := tok[:len(tok)-3] + flip(tok[len(tok)-3:len(tok)-2]) + tok[len(tok)-2:]
			if _, err := v.Verify(broken); err == nil || err.Code != BadSignature {
				t.Errorf("%s: %s: a broken signature: %v", source, alg, err)
			}
			other := sign(t, alg, signer(alg), map[string]any{"sub": "bob"}, header...)
			mixed := strings.Join([]string{parts(tok)[0], parts(other)[1], parts(tok)[2]}, ".")
			if _, err := v.Verify(mixed); err == nil || err.Code != BadSignature {
				t.Errorf("%s: %s: other claims: %v", source, alg, err)
			}
		}
	}
}

func parts(tok string) []string { return strings.Split(tok, ".") }

func flip(s string) string {
	if s == "A" {
		return "B"
	}
	return "A"
}

// Only the algorithms of the configured keys, or fewer, are accepted, and never a key of the wrong kind.
func TestWrongAlgorithm(t *testing.T) {
	rsaPEM := must(x509.MarshalPKIXPublicKey(rsaKey().Public()))
	asText := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: rsaPEM})
	claims := map[string]any{"sub": "ada"}
	none := sign(t, "none", jwt.UnsafeAllowNoneSignatureType, claims)
	public := Options{PublicKeyFiles: []string{publicPEM(t, rsaKey())}}
	named := Options{JWKSFile: file(t, set(t, "r", rsaKey().Public(), "e", p256().Public())), Algorithms: algorithms}
	restricted := Options{PublicKeyFiles: []string{publicPEM(t, rsaKey(), edKey())}, Algorithms: []string{"EdDSA", "PS256"}}
	for _, c := range []struct {
		name    string
		options Options
		token   string
		code    Code
	}{
		{"none", everyKey(t), none, WrongAlgorithm},
		{"none with a signature", everyKey(t), none + "AAAA", WrongAlgorithm},
		{"None", everyKey(t), replaceHeader(none, `{"alg":"None"}`), WrongAlgorithm},
		{"NONE and set", named, replaceHeader(none, `{"alg":"NONE","kid":"r"}`), WrongAlgorithm},
		{"no algorithm", everyKey(t), replaceHeader(none, `{}`), WrongAlgorithm},
		{"a number", everyKey(t), replaceHeader(none, `{"alg":256}`), WrongAlgorithm},
		{"null", everyKey(t), replaceHeader(none, `null`), WrongAlgorithm},
		{"RSA key as PEM secret", public, sign(t, "HS256", asText, claims), WrongAlgorithm},
		{"RSA key as DER secret", public, sign(t, "HS256", rsaPEM, claims), WrongAlgorithm},
		{"RSA key of a set as secret", named, sign(t, "HS256", rsaPEM, claims, "kid", "r"), WrongAlgorithm},
		{"EC key of a set for RSA", named, sign(t, "RS256", rsaKey(), claims, "kid", "e"), WrongAlgorithm},
		{"another curve", named, sign(t, "ES384", p384(), claims, "kid", "e"), WrongAlgorithm},
		{"not configured", restricted, sign(t, "RS256", rsaKey(), claims), WrongAlgorithm},
		{"configured", restricted, sign(t, "PS256", rsaKey(), claims), ""},
		{"no key for it", Options{PublicKeyFiles: []string{publicPEM(t, p256())}, Algorithms: []string{"ES256", "ES384"}}, sign(t, "ES384", p384(), claims), UnknownKey},
		{"unknown key", named, sign(t, "RS256", rsaKey(), claims, "kid", "x"), UnknownKey},
		{"kid of another type", named, sign(t, "RS256", rsaKey(), claims, "kid", 7), Malformed},
		{"the key of the token itself", named, sign(t, "RS256", rsaKey(), claims, "kid", "x", "jwk", json.RawMessage(set(t, "x", rsaKey().Public()))), UnknownKey},
		{"critical", everyKey(t), sign(t, "HS256", secret, claims, "crit", []string{"b64"}, "b64", false), Malformed},
	} {
		_, err := newVerifier(t, c.options).Verify(c.token)
		if got := codeOf(err); got != c.code {
			t.Errorf("%s: %q (%v), want %q", c.name, got, err, c.code)
		}
	}
}

func codeOf(e *Error) Code {
	if e == nil {
		return ""
	}
	return e.Code
}

func replaceHeader(tok, header string) string {
	p := parts(tok)
	p[0] = base64.RawURLEncoding.EncodeToString([]byte(header))
	return strings.Join(p, ".")
}

func TestMalformed(t *testing.T) {
	v := newVerifier(t, everyKey(t))
	good := sign(t, "HS256", secret, map[string]any{"sub": "ada"})
	p := parts(good)
	for _, tok := range []string{
		"", ".", "..", "...", "a.b", "a.b.c", good + ".", "." + good, good + "=", p[0] + "=." + p[1] + "." + p[2], p[0] + "." + p[1] + ".!" + p[2],
		strings.Join(append(parts(good), "x", "y"), "."), strings.Repeat("a", MaxLength), " " + good, good + "\n", p[0] + "." + p[1], `{"alg":"HS256"}`,
		signRaw(plainHeader, ``), signRaw(plainHeader, `null`), signRaw(plainHeader, `[]`), signRaw(plainHeader, `"sub"`), signRaw(plainHeader, `{"sub":"ada"`),
		signRaw(plainHeader, `{"sub":"a`+"\xff"+`"}`), signRaw(plainHeader, `{} {}`), signRaw(`["HS256"]`, `{}`), signRaw(`{"alg":"HS256"`, `{}`),
	} {
		if _, err := v.Verify(tok); codeOf(err) != Malformed {
			t.Errorf("%.60q: %v", tok, err)
		}
	}
	if _, err := v.Verify(strings.Repeat("a.", MaxLength)); codeOf(err) != TooLong {
		t.Errorf("a long token: %v", err)
	}
	// The bits after the end of a signature are not part of it, and have to be zero, so that a token has one form only.
	last := strings.IndexByte(base64URL, good[len(good)-1])
	if _, err := v.Verify(good[:len(good)-1] + base64URL[last|1:][:1]); codeOf(err) != Malformed {
		t.Errorf("another form: %v", err)
	}
}

const base64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// A token that has expired is told when, not how many thousand hours ago.
func TestExpiredAt(t *testing.T) {
	v := &Verifier{opts: Options{Now: func() time.Time { return time.Unix(2e9, 0) }}}
	if err := v.checkTimes(&Claims{Expires: time.Unix(1.7e9, 0)}); err == nil || !strings.Contains(err.Error(), "expired at 2023-11-14T22:13:20Z;") {
		t.Error(err)
	}
}

func TestTimes(t *testing.T) {
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	strict := hmac(t)
	lenient := strict
	lenient.Leeway = time.Minute
	bounded := strict
	bounded.MaxLifetime = time.Hour
	required := strict
	required.RequireExpiry = true
	for _, c := range []struct {
		name    string
		options Options
		claims  string
		code    Code
	}{
		{"without times", strict, `{}`, ""},
		{"valid", strict, `{"iat":1,"nbf":2,"exp":4000000000}`, ""},
		{"fractions", strict, `{"exp":` + itoa(at(0)) + `.5}`, ""},
		{"exponent", strict, `{"exp":4e9}`, ""},
		{"ends now", strict, `{"exp":` + itoa(at(0)) + `}`, Expired},
		{"ended", strict, `{"exp":` + itoa(at(-time.Hour)) + `}`, Expired},
		{"ended at zero", strict, `{"exp":0}`, Expired},
		{"begins now", strict, `{"nbf":` + itoa(at(0)) + `,"iat":` + itoa(at(0)) + `}`, ""},
		{"begins later", strict, `{"nbf":` + itoa(at(time.Second)) + `}`, NotYetValid},
		{"issued later", strict, `{"iat":` + itoa(at(time.Second)) + `}`, NotYetValid},
		{"leeway, ended", lenient, `{"exp":` + itoa(at(-59*time.Second)) + `}`, ""},
		{"leeway, ended long ago", lenient, `{"exp":` + itoa(at(-time.Minute)) + `}`, Expired},
		{"leeway, begins", lenient, `{"nbf":` + itoa(at(time.Minute)) + `,"iat":` + itoa(at(time.Minute)) + `}`, ""},
		{"leeway, begins later", lenient, `{"nbf":` + itoa(at(61*time.Second)) + `}`, NotYetValid},
		{"short", bounded, `{"iat":` + itoa(at(0)) + `,"exp":` + itoa(at(time.Hour)) + `}`, ""},
		{"long", bounded, `{"iat":` + itoa(at(0)) + `,"exp":` + itoa(at(time.Hour+time.Second)) + `}`, TooLongLived},
		{"long without iat", bounded, `{"exp":` + itoa(at(2*time.Hour)) + `}`, TooLongLived},
		{"endless", bounded, `{}`, BadClaim},
		{"endless, too", required, `{}`, BadClaim},
		{"text", strict, `{"exp":"4000000000"}`, BadClaim},
		{"null", strict, `{"exp":null}`, BadClaim},
		{"list", strict, `{"exp":[4000000000]}`, BadClaim},
		{"true", strict, `{"nbf":true}`, BadClaim},
		{"object", strict, `{"iat":{}}`, BadClaim},
		{"negative", strict, `{"exp":-1}`, BadClaim},
		{"huge", strict, `{"exp":1e300}`, BadClaim},
		{"infinite", strict, `{"exp":1e999}`, BadClaim},
		{"after the year 9999", strict, `{"exp":253402300800}`, BadClaim},
		{"another case", required, `{"EXP":4000000000}`, BadClaim},
	} {
		got, err := newVerifier(t, c.options).Verify(signRaw(plainHeader, c.claims))
		if codeOf(err) != c.code {
			t.Errorf("%s: %v, want %q", c.name, err, c.code)
		}
		if err == nil && strings.Contains(c.claims, "4000000000") && got.Expires.Unix() != 4000000000 {
			t.Errorf("%s: %v", c.name, got.Expires)
		}
	}
}

func itoa(n int64) string { return string(must(json.Marshal(n))) }

func TestIssuerAndAudience(t *testing.T) {
	both := hmac(t)
	both.Issuer, both.Audience = "https://id.example", []string{"fanfare", "other"}
	for claims, code := range map[string]Code{
		`{"iss":"https://id.example","aud":"fanfare"}`:     "",
		`{"iss":"https://id.example","aud":["x","other"]}`: "",
		`{"iss":"https://id.example/","aud":"fanfare"}`:    WrongIssuer,
		`{"aud":"fanfare"}`: WrongIssuer,
		`{"iss":["https://id.example"],"aud":"fanfare"}`:      BadClaim,
		`{"iss":"https://id.example"}`:                        WrongAudience,
		`{"iss":"https://id.example","aud":[]}`:               WrongAudience,
		`{"iss":"https://id.example","aud":"fanfare2"}`:       WrongAudience,
		`{"iss":"https://id.example","aud":""}`:               WrongAudience,
		`{"iss":"https://id.example","aud":[["fanfare"]]}`:    BadClaim,
		`{"iss":"https://id.example","aud":null}`:             BadClaim,
		`{"iss":"https://id.example","aud":{"fanfare":true}}`: BadClaim,
		`{"iss":"https://id.example","aud":["fanfare",7]}`:    BadClaim,
	} {
		if _, err := newVerifier(t, both).Verify(signRaw(plainHeader, claims)); codeOf(err) != code {
			t.Errorf("%s: %v, want %q", claims, err, code)
		}
	}
	if _, err := newVerifier(t, hmac(t)).Verify(signRaw(plainHeader, `{"iss":1,"aud":2}`)); err != nil {
		t.Errorf("claims that are not asked for: %v", err)
	}
}

func TestClaims(t *testing.T) {
	o := hmac(t)
	o.MaxData = 20
	v := newVerifier(t, o)
	for claims, want := range map[string]Claims{
		`{}`: {},
		`{"sub":"ada","jti":"7","iat":100,"exp":4000000000}`: {User: "ada", ID: "7", Issued: time.Unix(100, 0), Expires: time.Unix(4000000000, 0)},
		`{"read":["a.>"],"write":[],"list":["b"],"manage":["c","@>"]}`: {
			Granted: true, Grants: rights.Grants{Read: []string{"a.>"}, Write: []string{}, List: []string{"b"}, Manage: []string{"c", "@>"}}},
		`{"fanfare":{"read":["a"],"conns":3},"read":["b"],"data":{}}`: {Granted: true, Grants: rights.Grants{Read: []string{"a"}, Limits: rights.Limits{Conns: 3}}},
		`{"fanfare":{}}`: {},
		`{"rate":{"messages":5,"bytes":1000},"conns":2}`: {Grants: rights.Grants{Limits: rights.Limits{Messages: 5, Bytes: 1000, Conns: 2}}},
		`{"data":{"name": "A", "n":[1]}}`:                {Data: json.RawMessage(`{"name":"A","n":[1]}`)},
		`{"data":null}`:                                  {},
		`{"data":7}`:                                     {Data: json.RawMessage(`7`)},
		`{"Sub":"x","READ":["b"],"unknown":{"a":[]}}`:    {},
	} {
		got, err := v.Verify(signRaw(plainHeader, claims))
		if err != nil || !reflect.DeepEqual(*got, want) {
			t.Errorf("%s: %+v %v, want %+v", claims, got, err, want)
		}
	}
	for claims, says := range map[string]string{
		`{"sub":7}`: "sub", `{"sub":null}`: "sub", `{"sub":["ada"]}`: "sub", `{"sub":"a b"}`: "sub", `{"sub":"*"}`: "sub", `{"sub":"a..b"}`: "sub",
		`{"sub":"` + strings.Repeat("a", 255) + `"}`: "sub", `{"jti":7}`: "jti", `{"jti":"` + strings.Repeat("a", 256) + `"}`: "jti",
		`{"read":"a"}`: "read", `{"write":[7]}`: "write", `{"list":null}`: "list", `{"manage":{}}`: "manage", `{"fanfare":[]}`: "fanfare", `{"fanfare":null}`: "fanfare",
		`{"fanfare":{"raed":["a"]}}`: "raed", `{"rate":5}`: "rate", `{"rate":{"messages":"5"}}`: "messages", `{"rate":{"bytes":0}}`: "bytes", `{"conns":-1}`: "conns",
		`{"conns":1.5}`: "conns", `{"conns":1e30}`: "conns", `{"data":"` + strings.Repeat("a", 30) + `"}`: "20 are allowed",
	} {
		if _, err := v.Verify(signRaw(plainHeader, claims)); codeOf(err) != BadClaim || !strings.Contains(err.Reason, says) {
			t.Errorf("%s: %v, want %q", claims, err, says)
		}
	}
}

// What is wrong is said without the token.
func FuzzVerify(f *testing.F) {
	o := everyKey(f)
	o.Audience, o.Issuer, o.MaxLifetime = []string{"fanfare"}, "me", time.Hour
	v := newVerifier(f, o)
	open := newVerifier(f, hmac(f))
	for _, alg := range algorithms {
		f.Add(sign(f, alg, signer(alg), map[string]any{"sub": "ada", "exp": now.Add(time.Minute).Unix(), "iss": "me", "aud": "fanfare"}, "kid", "x"))
	}
	f.Add(sign(f, "none", jwt.UnsafeAllowNoneSignatureType, nil))
	f.Fuzz(func(t *testing.T, tok string) {
		for _, v := range []*Verifier{v, open} {
			c, err := v.Verify(tok)
			if (c == nil) == (err == nil) {
				t.Fatalf("%v %v", c, err)
			}
			if err == nil {
				continue
			}
			for _, part := range append(parts(tok), tok) {
				if len(part) > 20 && strings.Contains(err.Reason, part) {
					t.Errorf("%q contains a part of the token", err.Reason)
				}
			}
		}
	})
}

// Claims that are signed by a valid issuer may still be anything.
func FuzzClaims(f *testing.F) {
	for _, s := range []string{`{}`, `{"sub":"ada","exp":4000000000,"read":["a.>"],"rate":{"messages":1}}`, `{"fanfare":{"read":["@{user}"],"data":[]}}`, `null`} {
		f.Add(s)
	}
	v := newVerifier(f, hmac(f))
	f.Fuzz(func(t *testing.T, claims string) {
		if len(claims) > 4000 {
			return
		}
		c, err := v.Verify(signRaw(plainHeader, claims))
		if err == nil && (len(c.Data) > defaultMaxData || len(c.ID) > maxID || c.Grants.Limits.Conns < 0 || c.Data != nil && !json.Valid(c.Data)) {
			t.Errorf("%+v", c)
		}
	})
}

func benchmarkVerify(b *testing.B, alg string, remember bool) {
	v := newVerifier(b, everyKey(b))
	claims := map[string]any{"sub": "ada", "exp": now.Add(time.Hour).Unix(), "iat": now.Unix(), "jti": "0123456789abcdef", "read": []string{"news.>", "chat.*"}, "write": []string{"chat.*"}}
	tok := sign(b, alg, signer(alg), maps.Clone(claims))
	b.ReportAllocs()
	for b.Loop() {
		if !remember {
			v.current.Store(newEpoch(nil))
		}
		if _, err := v.Verify(tok); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
}

func BenchmarkVerify(b *testing.B) {
	for _, alg := range []string{"HS256", "EdDSA", "ES256", "RS256", "PS256"} {
		b.Run(alg+"/first", func(b *testing.B) { benchmarkVerify(b, alg, false) })
		b.Run(alg+"/again", func(b *testing.B) { benchmarkVerify(b, alg, true) })
	}
}
