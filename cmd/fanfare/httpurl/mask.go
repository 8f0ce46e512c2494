// Package httpurl checks and prints the URLs that an operator gives to the program. They may contain secrets.
package httpurl

import (
	"net/url"
	"strings"
)

// mask stands for what must not be shown.
const mask = "********"

// HostOnly returns the scheme and the host of a URL, and "…" for what follows. It is for URLs whose path may be secret, as those
// of webhooks often are. Of a text that is no such URL nothing remains.
func HostOnly(s string) string {
	const rest = "…"
	if s == "" {
		return ""
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" || u.Host == "" || strings.Contains(u.Path, "@") { // the host may be a user, and the rest a password with a slash
		return rest
	}
	shown := u.Scheme + "://" + u.Host
	if u.User == nil && (u.Path == "" || u.Path == "/") && u.RawQuery == "" && u.Fragment == "" {
		return shown + u.Path
	}
	return shown + "/" + rest
}

// Mask returns a URL without what may be secret: its user, password, query and fragment. Of one that cannot be parsed only the
// scheme remains. A text that is not a URL with a scheme and // is returned as it is.
func Mask(s string) string {
	scheme, _, is := strings.Cut(s, "://")
	if !is {
		return s
	}
	u, err := url.Parse(s)
	if err != nil || strings.Contains(u.Path, "@") { // the rest may be a password with a slash
		return scheme + "://" + mask
	}
	shown := u.Scheme + "://"
	if u.User != nil {
		shown += mask + "@"
	}
	shown += u.Host + u.EscapedPath()
	if u.RawQuery != "" {
		shown += "?" + mask
	}
	if u.Fragment != "" {
		shown += "#" + mask
	}
	return shown
}
