package policy

import (
	"net/http"
	"slices"
	"strings"

	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// Credentials are what a caller has sent to say who it is. They live as long as it takes to identify it.
type Credentials struct {
	Secrets []Secret // keys and tokens, what is said most explicitly first
	User    string   // that a trusted proxy names; empty if none does

	ambiguous bool // there were several different cookies
}

// Secret is a key or a token, and where it came from.
type Secret struct {
	From  From
	Value string
}

// From is where a secret came from.
type From uint8

// The places.
const (
	FromHeader      From = iota // Authorization: Bearer
	FromSubprotocol             // an item fanfare.token.TOKEN of Sec-WebSocket-Protocol
	FromQuery                   // ?token=
	FromCookie
	FromMessage // of an established connection
)

// maxSecrets is the largest number of secrets of a request that are tried. Each may cost a signature.
const maxSecrets = 4

// Sent is what a request has.
type Sent struct {
	Header   func(name string) []string // the values of a field of the request's header
	Query    func(name string) string   // a parameter of the URL, or ""; may be nil
	Admitted bool                       // the origin of the page may connect; otherwise cookies do not count
	User     string                     // that a trusted proxy names
}

// Handshake returns what a WebSocket handshake has. wsproto.Server has admitted its origin.
func Handshake(r *wsproto.Request) Sent {
	s := Sent{Header: r.Header.Values, Admitted: true}
	if strings.Contains(r.URI, "?") {
		s.Query = r.Query().Get
	}
	return s
}

// Request returns what an HTTP request has. The caller says whether the page may connect.
func Request(r *http.Request, admitted bool) Sent {
	s := Sent{Header: r.Header.Values, Admitted: admitted}
	if r.URL.RawQuery != "" {
		s.Query = r.URL.Query().Get
	}
	return s
}

// Message returns the credentials of a message with a token.
func Message(token string) Credentials {
	return Credentials{Secrets: []Secret{{FromMessage, token}}}
}

// Credentials returns the credentials of a request: Authorization: Bearer SECRET, of which there may be several because some
// may be for a proxy; the subprotocol fanfare.token.TOKEN; ?token=SECRET, as browsers cannot send the field with a handshake; and
// the cookie that Options.Cookie names.
func (p *Policy) Credentials(s Sent) Credentials {
	c := Credentials{User: s.User}
	for _, value := range s.Header("Authorization") {
		scheme, secret, _ := strings.Cut(strings.TrimSpace(value), " ")
		if strings.EqualFold(scheme, "Bearer") {
			c.add(FromHeader, strings.TrimSpace(secret))
		}
	}
	for _, value := range s.Header("Sec-Websocket-Protocol") {
		c.add(FromSubprotocol, subprotocolToken(value))
	}
	if s.Query != nil {
		c.add(FromQuery, s.Query("token"))
	}
	if name := p.current().cookie; name != "" && s.Admitted {
		c.addCookies(name, s.Header("Cookie"))
	}
	return c
}

func (c *Credentials) add(from From, secret string) {
	if secret != "" && len(c.Secrets) < maxSecrets && !slices.ContainsFunc(c.Secrets, func(s Secret) bool { return s.Value == secret }) {
		c.Secrets = append(c.Secrets, Secret{from, secret})
	}
}

// addCookies adds the cookies of that name. If a page of a neighbouring domain has set another one, the server cannot know
// which of them is the user's own.
func (c *Credentials) addCookies(name string, lines []string) {
	value := ""
	for _, line := range lines {
		for item := range strings.SplitSeq(line, ";") {
			key, v, _ := strings.Cut(strings.TrimSpace(item), "=")
			if v = strings.Trim(v, `"`); key != name || v == "" {
				continue
			}
			c.ambiguous = c.ambiguous || value != "" && value != v
			value = v
		}
	}
	c.add(FromCookie, value)
}

// IsTokenProtocol reports whether an offered subprotocol is a token, which no response or log may contain.
func IsTokenProtocol(offer string) bool { return strings.HasPrefix(offer, wire.TokenProtocol) }

// subprotocolToken returns the token of a list of subprotocols, or "".
func subprotocolToken(list string) string {
	for item := range strings.SplitSeq(list, ",") {
		if token, ok := strings.CutPrefix(strings.TrimSpace(item), wire.TokenProtocol); ok {
			return token
		}
	}
	return ""
}
