package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/fanfare-ws/fanfare/wsproto"
)

func TestExcerpt(t *testing.T) {
	for body, want := range map[string]string{
		"":                            "",
		"members only\n":              "members only",
		"one\r\n\ttwo\x00 ":           "one two",
		"\x1b[2J\x1b]0;title\x07 red": "[2J ]0;title red",
		`{"error":"full"}`:            `{"error":"full"}`,
		"<!DOCTYPE html>\n<html><head><style>p {}</style><title>502 Bad\n Gateway</title></head><body>no</body>": "502 Bad Gateway",
		"<html>\r\n<head><title></title></head>\n<body><h1>Not here</h1><p>nginx":                                "Not here nginx",
		"<html><head><script>var x = '<b>'</script><body>text</body>":                                            "text",
		"<html><head><style>p { colo":   "",
		"<!doctype html><html lang=\"e": "",
		"a < b and b > c":               "a < b and b > c",
		"caf\xc3":                       "caf",
		strings.Repeat("ä", 500):        strings.Repeat("ä", excerptLength) + " …",
	} {
		if got := excerpt(body); got != want {
			t.Errorf("%q\n gives %q\n  want %q", body, got, want)
		}
	}
}

func TestPlain(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{&wsproto.HandshakeError{Status: 404, Reason: "<html>\n<title>Gone</title>"}, "the server answered 404 Not Found: Gone"},
		{fmt.Errorf("dial: %w", &wsproto.HandshakeError{Status: 599}), "the server answered 599"},
		{errors.New("wsproto: handshake failed: a\nb"), "a b"},
		{&wsproto.CloseError{Code: 1008, Reason: "go\x1b[1m\naway", Remote: true}, `the peer closed with 1008 "go\x1b[1m\naway"`},
	} {
		if got := plain(c.err); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
