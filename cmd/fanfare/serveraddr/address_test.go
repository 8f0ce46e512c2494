package serveraddr

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]string{ // the URL, and the socket behind it
		"localhost:8080":              "http://localhost:8080",
		"192.0.2.1:80":                "http://192.0.2.1:80",
		"[2001:db8::1]:443":           "http://[2001:db8::1]:443",
		":8080":                       "http://localhost:8080",
		"http://app.example":          "http://app.example",
		"https://app.example:8443/a":  "https://app.example:8443/a",
		"https://app.example/?a=b#c":  "https://app.example/?a=b",
		"unix:/run/fanfare/s":         "http://localhost /run/fanfare/s",
		"unix:@fanfare":               "http://localhost @fanfare",
		"":                            "",
		"localhost":                   "",
		"unix:":                       "",
		"http://":                     "",
		"ftp://app.example":           "",
		"check":                       "",
		"-v":                          "",
		"http://app.example:port/":    "",
		"localhost:8080/a b:c":        "",
		"https://a:secret@x example/": "",
	} {
		a, err := Parse(text)
		got := ""
		if err == nil {
			got = strings.TrimSpace(a.URL.String() + " " + a.Socket)
		}
		if got != want || err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %q, %v; want %q", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"unix:/run/s": "unix:/run/s", ":80": "http://localhost:80", "https://a:secret@app.example/x?secret": "https://********@app.example/x?********",
	} {
		if a, err := Parse(text); err != nil || a.String() != want {
			t.Errorf("%q is shown as %q, want %q: %v", text, a, want, err)
		}
	}
}

func TestOfListener(t *testing.T) {
	for _, c := range []struct {
		addr   string
		secure bool
		want   string
	}{
		{"localhost:8080", false, "http://localhost:8080"},
		{":443", true, "https://localhost:443"},
		{"0.0.0.0:80", false, "http://localhost:80"},
		{"[::]:80", false, "http://localhost:80"},
		{"[::1]:80", false, "http://[::1]:80"},
		{"app.example:443", true, "https://app.example:443"},
		{"unix:/run/s", true, "https://localhost /run/s"},
		{"localhost:0", false, ""},
		{"systemd:web", false, ""},
	} {
		a, err := OfListener("-addr", c.addr, c.secure)
		got := ""
		if err == nil {
			got = strings.TrimSpace(a.URL.String() + " " + a.Socket)
		}
		if got != c.want {
			t.Errorf("%s: %q, %v; want %q", c.addr, got, err, c.want)
		}
	}
}
