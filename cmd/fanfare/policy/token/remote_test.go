package token

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// endpoint answers requests for a set in a bubble of synctest.
type endpoint struct {
	answer   atomic.Value // of type answer
	requests atomic.Int64
}

type answer = func(r *http.Request) (status int, body []byte, err error)

func newEndpoint(a answer) *endpoint {
	e := new(endpoint)
	e.answer.Store(a)
	return e
}

func (e *endpoint) RoundTrip(r *http.Request) (*http.Response, error) {
	e.requests.Add(1)
	status, body, err := e.answer.Load().(answer)(r)
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(bytes.NewReader(body)), Header: make(http.Header), Request: r}, nil
}

func answers(body []byte) answer {
	return func(*http.Request) (int, []byte, error) { return http.StatusOK, body, nil }
}

// ways are all the ways in which an endpoint can fail.
var ways = map[string]answer{
	"refuses": func(*http.Request) (int, []byte, error) { return 0, nil, errors.New("connection refused") },
	"hangs": func(r *http.Request) (int, []byte, error) {
		<-r.Context().Done()
		return 0, nil, r.Context().Err()
	},
	"500":       func(*http.Request) (int, []byte, error) { return 500, nil, nil },
	"404":       func(*http.Request) (int, []byte, error) { return 404, []byte(`{"keys":[]}`), nil },
	"HTML":      answers([]byte("<html>")),
	"nothing":   answers(nil),
	"no keys":   answers([]byte(`{"keys":[]}`)),
	"null":      answers([]byte(`null`)),
	"a list":    answers([]byte(`[]`)),
	"bad keys":  answers([]byte(`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"},{"kty":"oct","k":"AAAA"},{},7,null]}`)),
	"too large": answers(bytes.Repeat([]byte(" "), maxFile+1)),
	"too many":  answers([]byte(`{"keys":[` + strings.Repeat(`{},`, maxSet) + `{}]}`)),
}

// remoteVerifier has the keys of an endpoint, and its log.
func remoteVerifier(t *testing.T, e *endpoint) (*Verifier, *bytes.Buffer) {
	log := new(bytes.Buffer)
	v, errs := New(Options{
		JWKSURL: "https://user:hidden@id.example/keys?hidden", Refresh: 10 * time.Minute, Client: &http.Client{Transport: e},
		Log: slog.New(slog.NewTextHandler(log, nil)), Now: func() time.Time { return now },
	})
	if errs != nil {
		t.Fatal(errs)
	}
	return v, log
}

// The server starts while the endpoint fails, refuses tokens for a while, and accepts them when it has the keys. When the
// endpoint fails again, the keys remain.
func TestEndpointFails(t *testing.T) {
	good := set(t, "k", edKey().Public())
	tok := sign(t, "EdDSA", edKey(), map[string]any{"sub": "ada"}, "kid", "k")
	unknown := sign(t, "EdDSA", edKey(), map[string]any{"sub": "ada"}, "kid", "other")
	for name, fails := range ways {
		synctest.Test(t, func(t *testing.T) {
			e := newEndpoint(fails)
			v, log := remoteVerifier(t, e)
			v.Start(nil)
			defer v.Close()
			for range 3 {
				if _, err := v.Verify(tok); codeOf(err) != NoKeys || err.RetryAfter <= 0 {
					t.Errorf("%s: at first: %v", name, err)
				}
				time.Sleep(time.Minute)
			}
			e.answer.Store(answers(good))
			time.Sleep(2 * time.Minute)
			if _, err := v.Verify(tok); err != nil {
				t.Errorf("%s: with the keys: %v", name, err)
			}
			e.answer.Store(fails)
			time.Sleep(time.Hour)
			if _, err := v.Verify(tok); err != nil {
				t.Errorf("%s: when it fails again: %v", name, err)
			}
			if _, err := v.Verify(unknown); codeOf(err) != NoKeys {
				t.Errorf("%s: a key that may be new: %v", name, err)
			}
			synctest.Wait()
			if n := strings.Count(log.String(), "\n"); n != 3 || strings.Contains(log.String(), "hidden") {
				t.Errorf("%s: %d lines, want one for each change: %s", name, n, log)
			}
			if n := e.requests.Load(); n > 100 {
				t.Errorf("%s: %d requests", name, n)
			}
		})
	}
}

// A new key is fetched when a token has it, but unknown keys cause no flood of requests.
func TestRotation(t *testing.T) {
	a, b := set(t, "a", edKey().Public()), set(t, "a", edKey().Public(), "b", p256().Public())
	byA := sign(t, "EdDSA", edKey(), map[string]any{}, "kid", "a")
	byB := sign(t, "ES256", p256(), map[string]any{}, "kid", "b")
	synctest.Test(t, func(t *testing.T) {
		e := newEndpoint(answers(a))
		v, log := remoteVerifier(t, e)
		v.Start(nil)
		defer v.Close()
		synctest.Wait()
		wants := func(tok string, want Code) {
			t.Helper()
			if _, err := v.Verify(tok); codeOf(err) != want {
				t.Errorf("%v, want %q", err, want)
			}
		}
		wants(byA, "")
		wants(byB, UnknownKey) // the keys have just been fetched
		time.Sleep(minAsked)
		e.answer.Store(answers(b))
		wants(byB, NoKeys)
		wants(byB, NoKeys)
		synctest.Wait()
		wants(byB, "")
		wants(byA, "")
		before := e.requests.Load()
		for i := range 100 {
			_, _ = v.Verify(sign(t, "ES256", p256(), map[string]any{}, "kid", "x"+itoa(int64(i))))
			synctest.Wait()
		}
		time.Sleep(minAsked)
		for range 100 {
			_, _ = v.Verify(sign(t, "ES256", p256(), map[string]any{}, "kid", "y"))
			synctest.Wait()
		}
		if n := e.requests.Load() - before; n != 1 {
			t.Errorf("%d requests for unknown keys in %v", n, minAsked)
		}
		// A key that has been removed is not remembered.
		e.answer.Store(answers(set(t, "b", p256().Public())))
		time.Sleep(11 * time.Minute)
		wants(byA, NoKeys) // it may be a new one
		synctest.Wait()
		wants(byA, UnknownKey)
		wants(byB, "")
		synctest.Wait()
		if log.Len() > 0 {
			t.Errorf("%s", log)
		}
	})
}

// An endpoint that hangs is given up after a time, and does not delay the end.
func TestCloseWhileEndpointHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEndpoint(ways["hangs"])
		v, log := remoteVerifier(t, e)
		v.Start(nil)
		time.Sleep(5 * time.Second)
		begin := time.Now()
		v.Close()
		if time.Since(begin) != 0 || log.Len() > 0 {
			t.Errorf("after %v: %s", time.Since(begin), log)
		}
	})
}

// A new verifier takes over what has been fetched from the same URL, and ends what was fetched from another.
func TestTakeOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEndpoint(answers(set(t, "k", edKey().Public())))
		tok := sign(t, "EdDSA", edKey(), map[string]any{}, "kid", "k")
		old, _ := remoteVerifier(t, e)
		old.Start(nil)
		synctest.Wait()
		e.answer.Store(ways["refuses"])
		o := old.opts
		o.Algorithms = []string{"EdDSA"}
		same, errs := New(o)
		if errs != nil {
			t.Fatal(errs)
		}
		same.Start(old)
		if _, err := same.Verify(tok); err != nil || e.requests.Load() != 1 {
			t.Errorf("%v after %d requests", err, e.requests.Load())
		}
		o.Refresh += time.Minute
		slower, _ := New(o)
		slower.Start(same)
		synctest.Wait()
		if _, err := slower.Verify(tok); err != nil || e.requests.Load() != 2 {
			t.Errorf("fetched more rarely: %v after %d requests", err, e.requests.Load())
		}
		o.JWKSURL = "https://other.example/"
		other, _ := New(o)
		other.Start(slower)
		if _, err := other.Verify(tok); codeOf(err) != NoKeys {
			t.Errorf("the keys of another URL: %v", err)
		}
		if _, err := same.Verify(tok); err != nil {
			t.Errorf("a verification that has begun before: %v", err)
		}
		other.Close() // and nothing remains, or the bubble would not end
	})
}

// TestEndpointOverHTTP uses a real server, with redirects.
func TestEndpointOverHTTP(t *testing.T) {
	good := set(t, "k", edKey().Public())
	var asked atomic.Value
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/":
			http.Redirect(w, r, "/keys", http.StatusFound)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		case "/endless":
			for i := 0; i < 100 && r.Context().Err() == nil; i++ {
				_, _ = w.Write(bytes.Repeat([]byte(" "), maxFile/10))
			}
		default:
			asked.Store(r.Header.Get("Accept"))
			_, _ = w.Write(good)
		}
	}))
	defer server.Close()
	for path, ok := range map[string]bool{"/": true, "/keys": true, "/loop": false, "/endless": false} {
		r := &remote{url: server.URL + path, client: &http.Client{Timeout: fetchTimeout, CheckRedirect: checkRedirect}}
		if err := r.fetch(context.Background()); (err == nil) != ok || err != nil && strings.Contains(err.Error(), server.URL) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if s, _ := asked.Load().(string); !strings.Contains(s, "jwk-set") {
		t.Errorf("Accept: %s", s)
	}
	secure := &http.Request{URL: must(http.NewRequest("GET", "https://a/", nil)).URL}
	if checkRedirect(must(http.NewRequest("GET", "http://a/", nil)), []*http.Request{secure}) == nil {
		t.Error("a redirect from https to http is followed")
	}
}
