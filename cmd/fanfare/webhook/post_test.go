package webhook

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
)

// signed checks a signature as the text of Standard Webhooks says, without the code of this package.
func signed(secret string, h http.Header, body []byte) bool {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(h.Get("webhook-id") + "." + h.Get("webhook-timestamp") + "." + string(body)))
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	for _, one := range strings.Split(h.Get("webhook-signature"), " ") {
		if one == want {
			return true
		}
	}
	return false
}

// The requests over a real connection carry valid signatures of all secrets, and the token.
func TestSignature(t *testing.T) {
	old, now := "whsec_"+base64.StdEncoding.EncodeToString([]byte(strings.Repeat("o", 32))), "whsec_"+base64.StdEncoding.EncodeToString([]byte(strings.Repeat("n", 32)))
	oldKey, err := ParseSecret(old)
	if err != nil {
		t.Fatal(err)
	}
	newKey, err := ParseSecret(now)
	if err != nil {
		t.Fatal(err)
	}
	checked := make(chan struct{})
	app := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		for _, secret := range []string{old, now} {
			if !signed(secret, r.Header, body) {
				t.Errorf("the signature is wrong: %v", r.Header)
			}
		}
		if signed(old, r.Header, append(body, ' ')) || r.Header.Get("Authorization") != "Bearer word" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%v", r.Header)
		}
		for _, key := range [][]byte{oldKey, newKey} {
			if err := Verify(key, r.Header, body, time.Now(), time.Minute); err != nil {
				t.Error(err)
			}
		}
		for text, err := range map[string]error{
			"match":   Verify(oldKey[1:], r.Header, body, time.Now(), time.Minute),
			"matches": Verify(oldKey, r.Header, append(body, '1'), time.Now(), time.Minute),
			"off":     Verify(oldKey, r.Header, body, time.Now().Add(time.Hour), time.Minute),
			"needs":   Verify(oldKey, http.Header{SignatureHeader: {"v1,x"}}, body, time.Now(), time.Minute),
		} {
			if err == nil || !strings.Contains(err.Error(), strings.TrimSuffix(text, "es")) {
				t.Errorf("%s: %v", text, err)
			}
		}
		close(checked)
	}))
	defer app.Close()
	w, err := New(Options{URLs: []string{app.URL}, Secrets: [][]byte{oldKey, newKey}, Token: "word", Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	w.Occupied("a", true)
	w.Close(t.Context())
	<-checked
}

func TestParseSecret(t *testing.T) {
	for text, want := range map[string]string{
		strings.Repeat("x", 24):            "",
		"whsec_" + strings.Repeat("A", 32): "",
		strings.Repeat("x", 23):            "24",
		"whsec_" + strings.Repeat("A", 28): "24",
		"whsec_not-base64":                 "base64",
	} {
		if _, err := ParseSecret(text); (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "not-base")) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// Endpoints that are down, answer garbage, answer forever, or have closed the connection meanwhile are failures or successes
// like others, and no line of the log shows what is secret in a URL.
func TestBadEndpoints(t *testing.T) {
	var garbage atomic.Int32
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 100))
			_, _ = io.WriteString(c, strings.Repeat("garbage ", 1000))
			_ = c.Close()
			garbage.Add(1)
		}
	}()
	defer l.Close()
	endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, strings.Repeat("x", 1000)); err != nil {
				return
			}
		}
	}))
	defer endless.Close()
	down := httptest.NewServer(nil)
	down.Close()
	var log netpolltest.Output
	w, err := New(Options{
		URLs:       []string{"http://" + l.Addr().String() + "/secret/?key=secret", endless.URL, down.URL + "/secret?key=secret"},
		RetryDelay: time.Millisecond, MaxRetryDelay: time.Millisecond, BatchDelay: -1, Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	w.Occupied("a", true)
	ok := netpolltest.Settles(time.Minute, func() bool {
		s := w.Stats().Endpoints
		return s[0].Retries > 1 && s[1].Sent == 1 && s[2].Failures[unreachable] > 1 && garbage.Load() > 1
	})
	if !ok {
		t.Errorf("%+v", w.Stats())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w.Close(ctx)
	if text := log.String(); strings.Contains(text, "secret") || strings.Count(text, "a webhook request failed") != 2 {
		t.Error(text)
	}
}
