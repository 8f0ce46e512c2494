package main

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// nobodysPage is the origin of a page that has none to tell.
const nobodysPage = "null"

// origins are pages of other hosts that may connect.
type origins []origin

// origin is a page's, in lower case. A port that is the scheme's is empty.
type origin struct {
	scheme string // any if empty
	host   string // any if *
	port   string
}

// parseOrigins reads a list of hosts, with a port where it is not that of the scheme,
// and with http:// or https:// in front where only that is meant; * is for all.
func parseOrigins(s string) (origins, error) {
	var all origins
	for _, word := range strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' }) {
		if word == "*" {
			all = append(all, origin{host: word})
			continue
		}
		text := word
		if !strings.Contains(word, "://") {
			text = "any://" + word
		}
		o, ok := parseOrigin(strings.TrimSuffix(text, "/"))
		if !ok {
			return nil, fmt.Errorf("%q is not a host; it takes hosts whose pages may connect, such as example.org, example.org:8443 or https://example.org, or * for all", word)
		}
		if o.scheme == "any" {
			o.scheme = ""
		}
		all = append(all, o)
	}
	return all, nil
}

// parseOrigin reads what a browser sends as Origin.
func parseOrigin(s string) (o origin, ok bool) {
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || u.Host+"/" != strings.TrimPrefix(s, u.Scheme+"://")+"/" || strings.ContainsAny(u.Host, "*@") {
		return o, false
	}
	o = origin{strings.ToLower(u.Scheme), strings.ToLower(u.Hostname()), u.Port()}
	if o.port == defaultPorts[o.scheme] {
		o.port = ""
	}
	return o, true
}

var defaultPorts = map[string]string{"http": "80", "https": "443"}

// all reports whether every page may connect.
func (all origins) all() bool { return slices.Contains(all, origin{host: "*"}) }

// allow reports whether pages of that origin may connect.
func (all origins) allow(from string) bool {
	if all.all() {
		return true
	}
	page, ok := parseOrigin(from)
	return ok && slices.ContainsFunc(all, func(o origin) bool {
		port := o.port
		if port != "" && port == defaultPorts[page.scheme] {
			port = ""
		}
		return o.host == page.host && port == page.port && (o.scheme == "" || o.scheme == page.scheme)
	})
}
