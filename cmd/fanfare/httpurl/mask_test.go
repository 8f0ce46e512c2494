package httpurl

import (
	"strings"
	"testing"
)

func TestHostOnly(t *testing.T) {
	for text, want := range map[string]string{
		"":                                     "",
		"https://app.example":                  "https://app.example",
		"http://app.example:8443/":             "http://app.example:8443/",
		"https://app.example/services/secret":  "https://app.example/…",
		"https://app.example/secret/":          "https://app.example/…",
		"https://app.example?secret":           "https://app.example/…",
		"https://app.example/#secret":          "https://app.example/…",
		"https://secret@app.example/":          "https://app.example/…",
		"ftp://ada:secret@app.example/?secret": "ftp://app.example/…",
		"https://ada:1/secret@app.example/":    "…",
		"https://secret:ada/x@app.example/":    "…",
		"https://secret/x@app.example/":        "…",
		"https://app.example/%zz?secret":       "…",
		"https://app example/secret":           "…",
		"app.example/services/secret":          "…",
		"secret":                               "…",
		"mailto:secret@app.example":            "…",
		"https:secret":                         "…",
		"https:///secret":                      "…",
		"https://[::1]:8443/secret":            "https://[::1]:8443/…",
		"//app.example/secret":                 "…",
	} {
		if got := HostOnly(text); got != want || strings.Contains(got, "secret") {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestMask(t *testing.T) {
	for text, want := range map[string]string{
		"":                                     "",
		"off":                                  "off",
		"https://app.example:8443/a/b%2Fc":     "https://app.example:8443/a/b%2Fc",
		"https://app.example/hook?key=secret":  "https://app.example/hook?********",
		"https://app.example?secret":           "https://app.example?********",
		"https://app.example/?a=b@secret":      "https://app.example/?********",
		"https://app.example/#secret":          "https://app.example/#********",
		"https://secret@app.example/":          "https://********@app.example/",
		"ftp://ada:secret@app.example/?secret": "ftp://********@app.example/?********",
		"https://ada:secret/x@app.example/":    "https://********",
		"https://ada:1/secret@app.example/":    "https://********",
		"https://ada:secret?x@app.example/":    "https://********",
		"https://app.example/%zz?secret":       "https://********",
		"https://app example/?secret":          "https://********",
	} {
		if got := Mask(text); got != want || strings.Contains(got, "secret") {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
