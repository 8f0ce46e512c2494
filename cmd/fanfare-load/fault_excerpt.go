package main

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"unicode"

	"github.com/fanfare-ws/fanfare/wsproto"
)

// Text from a server is quoted in one line, without characters that could move a terminal's cursor.

// excerptLength is the number of characters of such a text that are quoted.
const excerptLength = 120

// plain returns an error's text in one line, without the names of packages.
func plain(err error) string {
	if he := new(wsproto.HandshakeError); errors.As(err, &he) && he.Status != 0 {
		return refusal(he)
	}
	s := err.Error()
	for _, prefix := range []string{"wsproto: ", "handshake failed: ", "netpoll: "} {
		s = strings.TrimPrefix(s, prefix)
	}
	return oneLine(s, 2*excerptLength)
}

// refusal returns the status of a response and the beginning of its text.
func refusal(he *wsproto.HandshakeError) string {
	from := "the server"
	if he.Proxy != "" {
		from = "the proxy " + oneLine(he.Proxy, excerptLength)
	}
	s := from + " answered " + statusText(he.Status)
	if text := excerpt(he.Reason); text != "" {
		s += ": " + text
	}
	if he.RetryAfter > 0 {
		s += fmt.Sprintf(" (Retry-After: %.0f s)", he.RetryAfter.Seconds())
	}
	return s
}

func statusText(status int) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", status, http.StatusText(status)))
}

var (
	pageBegin = regexp.MustCompile(`(?i)^\s*<(!doctype|html|head|body|\?xml)`)
	pageTitle = regexp.MustCompile(`(?is)<title[^>]*>(.*?)(</title|$)`)
	unseen    = regexp.MustCompile(`(?is)<(style|script)\b.*?(</(style|script)\s*>|$)`)
	markup    = regexp.MustCompile(`(?s)<[^>]*(>|$)`)
)

// excerpt returns the beginning of a body's text. Of an HTML page that is the title, or else the text without markup.
func excerpt(body string) string {
	if pageBegin.MatchString(body) {
		if m := pageTitle.FindStringSubmatch(body); m != nil && strings.TrimSpace(m[1]) != "" {
			body = m[1]
		} else {
			body = markup.ReplaceAllString(unseen.ReplaceAllString(body, " "), " ")
		}
	}
	return oneLine(body, excerptLength)
}

// oneLine replaces unprintable characters by spaces and cuts the text after that many characters.
func oneLine(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsGraphic(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, " "))
	r := []rune(strings.Join(strings.Fields(s), " "))
	if len(r) > most {
		return strings.TrimSpace(string(r[:most])) + " …"
	}
	return string(r)
}
