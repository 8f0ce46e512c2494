package httpurl

import (
	"strings"
	"testing"
)

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
