package session

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestScript(t *testing.T) {
	ask := func(tag string) *http.Response {
		r := httptest.NewRequest("GET", "/fanfare.js", nil)
		r.Header.Set("If-None-Match", tag)
		w := httptest.NewRecorder()
		Script(w, r)
		return w.Result()
	}
	got := ask("")
	tag := got.Header.Get("ETag")
	if got.StatusCode != 200 || got.ContentLength != int64(len(script)) || len(tag) < 10 ||
		!strings.HasPrefix(got.Header.Get("Content-Type"), "text/javascript") || got.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("%d, %d bytes, %v", got.StatusCode, got.ContentLength, got.Header)
	}
	if got := ask(tag); got.StatusCode != http.StatusNotModified {
		t.Errorf("with its tag: %d", got.StatusCode)
	}
	if got := ask(`"another"`); got.StatusCode != 200 {
		t.Errorf("with another tag: %d", got.StatusCode)
	}
}
