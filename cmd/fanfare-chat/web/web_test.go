package web

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func ask(method, path, tag string) *http.Response {
	r := httptest.NewRequest(method, path, nil)
	r.Header.Set("If-None-Match", tag)
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, r)
	return w.Result()
}

// TestFiles requests each file, and all files that it refers to.
func TestFiles(t *testing.T) {
	refers := regexp.MustCompile(`(?:from '\.|href="|src=")(/[a-z-]+\.(?:js|css|svg))`)
	for url, f := range load() {
		got := ask("GET", url, "")
		if got.StatusCode != 200 || got.ContentLength != int64(len(f.content)) || got.Header.Get("Content-Type") == "" ||
			got.Header.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(got.Header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s: %d, %d bytes, %v", url, got.StatusCode, got.ContentLength, got.Header)
		}
		if again := ask("GET", url, got.Header.Get("ETag")); again.StatusCode != http.StatusNotModified {
			t.Errorf("%s with its tag: %d", url, again.StatusCode)
		}
		for _, m := range refers.FindAllStringSubmatch(string(f.content), -1) {
			if to := ask("GET", m[1], ""); to.StatusCode != 200 && m[1] != "/fanfare.js" { // served by package session
				t.Errorf("%s refers to %s: %d", url, m[1], to.StatusCode)
			}
		}
	}
}

func TestNoFile(t *testing.T) {
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/", 200},
		{"HEAD", "/", 200},
		{"GET", "/index.html", 404},
		{"GET", "/page/app.css", 404},
		{"GET", "/../web.go", 404},
		{"POST", "/", 405},
	} {
		if got := ask(c.method, c.path, ""); got.StatusCode != c.status {
			t.Errorf("%s %s: %d instead of %d", c.method, c.path, got.StatusCode, c.status)
		}
	}
}

// TestNoHTML searches the files for code that parses strings as HTML or JavaScript, and for styles and
// handlers in attributes, which the Content-Security-Policy forbids.
func TestNoHTML(t *testing.T) {
	bad := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\(|new Function|srcdoc|\sstyle="|\son[a-z]+="`)
	for url, f := range load() {
		if m := bad.FindString(string(f.content)); m != "" {
			t.Errorf("%s has %q", url, m)
		}
	}
}
