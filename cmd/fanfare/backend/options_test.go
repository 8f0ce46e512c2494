package backend

import (
	"strings"
	"testing"
	"time"
)

func TestValidate(t *testing.T) {
	for want, o := range map[string]Options{
		"":                                       {Connect: HookOptions{URL: "https://example.com/x?key=sesame"}},
		"publish hook: the URL begins with \"f":  {Publish: HookOptions{URL: "ftp://x"}},
		"connect hook: the URL has no host":      {Connect: HookOptions{URL: "http:///sesame"}},
		"subscribe hook: the URL is malformed":   {Subscribe: HookOptions{URL: "http://sesame:%zz@x"}},
		"subscribe hook: timeout -1ns":           {Subscribe: HookOptions{Timeout: -1}},
		"cache 2s, at most 1s":                   {Subscribe: HookOptions{Cache: 2 * time.Second, MaxCache: time.Second}},
		`"user" cannot be omitted; client, addr`: {Connect: HookOptions{Omit: []string{"client", "user"}}},
		"MaxConcurrent is -1":                    {MaxConcurrent: -1},
		"CacheBytes is -5":                       {CacheBytes: -5},
		"Breaker.Share is -1":                    {Breaker: Breaker{Share: -1}},
		"Breaker.MaxPause is 1s; it must":        {Breaker: Breaker{Pause: 2 * time.Second, MaxPause: time.Second}},
		"Breaker.Pause is -1ns":                  {Breaker: Breaker{Pause: -1}},
		`header "a b"`:                           {Headers: []string{"a b"}},
		"the token has a character":              {Token: "sesame\n"},
	} {
		err := o.Validate()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%v, want %q", err, want)
		}
		if err != nil && strings.Contains(err.Error(), "sesame") {
			t.Errorf("a secret is in the error %q", err)
		}
		if _, new := New(o); (new == nil) != (want == "") {
			t.Errorf("New: %v, want %q", new, want)
		}
	}
	err := Options{MaxConcurrent: -1, MaxWaiting: -1, Connect: HookOptions{Timeout: -1}}.Validate()
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("%v; want three errors", err)
	}
}

func TestVerify(t *testing.T) {
	at := time.Unix(1764504000, 0)
	good := sign([]byte("key"), at, []byte("body"))
	for _, c := range []struct{ key, header, body, want string }{
		{"key", good, "body", ""},
		{"key", good, "Body", "does not match"},
		{"other", good, "body", "does not match"},
		{"key", strings.Replace(good, "t=1", "t=2", 1), "body", "does not match"},
		{"key", sign([]byte("key"), at.Add(time.Hour), []byte("body")), "body", "is 1h0m0s off"},
		{"key", sign([]byte("key"), at.Add(-time.Hour), []byte("body")), "body", "is 1h0m0s off"},
		{"key", "", "body", "must have the form"},
		{"key", "t=1,v1=xyz", "body", "must have the form"},
	} {
		err := Verify([]byte(c.key), c.header, []byte(c.body), at, time.Minute)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.header, err, c.want)
		}
	}
}
