package policy

import (
	"net/http"
	"slices"
	"strings"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy/rights"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy/token"
	"github.com/fanfare-ws/fanfare/hub"
)

// Identify returns who the caller is. A key counts before a token, and the first valid secret before the others. What is
// neither is refused if there are tokens, and otherwise ignored, because it may be meant for a proxy.
func (p *Policy) Identify(c Credentials) (Identity, *Refusal) {
	s := p.current()
	for _, secret := range c.Secrets {
		if key := s.keys.find(secret.Value); key != nil {
			return s.withUser(Identity{Kind: Key, Name: key.name, Rights: key.rights, key: key.rights, mark: key.mark()}, c.User)
		}
	}
	if s.tokens != nil && len(c.Secrets) > 0 {
		id, refusal := p.byToken(s, &c)
		if refusal != nil {
			return Identity{}, refusal
		}
		return s.withUser(id, c.User)
	}
	return s.withUser(Identity{Kind: Anonymous, Rights: s.anonymous, Ignored: s.ignores(&c)}, c.User)
}

// ignores reports whether one of the secrets, none of which is a key, is meant to be one: those in the header Authorization may be
// for a proxy.
func (s *state) ignores(c *Credentials) bool {
	return len(s.keys.keys) > 0 && slices.ContainsFunc(c.Secrets, func(s Secret) bool { return s.From == FromQuery || s.From == FromSubprotocol })
}

// byToken returns the identity of the first valid token. Otherwise it returns the refusal of the first one, or one that says
// that another may be valid later.
func (p *Policy) byToken(s *state, c *Credentials) (Identity, *Refusal) {
	var first *Refusal
	for _, secret := range c.Secrets {
		if c.ambiguous && secret.From == FromCookie {
			continue
		}
		id, refusal := s.verify(secret.Value)
		if refusal == nil {
			id.mark = p.hash(markID, id.ID)
			if refusal = p.revoked(&id); refusal == nil {
				return id, nil
			}
		}
		if first == nil || refusal.Status == http.StatusServiceUnavailable {
			first = refusal
		}
	}
	if first == nil {
		first = invalid(CodeAmbiguous, "there are several different cookies with a token; delete those of other paths and domains")
	}
	return Identity{}, first
}

// verify returns the identity of a token.
func (s *state) verify(secret string) (Identity, *Refusal) {
	if strings.Count(secret, ".") != 2 {
		return Identity{}, invalid(CodeUnknownKey, "the bearer is neither a key of this server nor a signed token (JWT)")
	}
	claims, wrong := s.tokens.Verify(secret)
	if wrong != nil {
		return Identity{}, refuseToken(wrong)
	}
	g := claims.Grants
	if !claims.Granted {
		g = s.granted
		g.Limits = over(claims.Grants.Limits, g.Limits)
	}
	r, err := rights.Compile(g)
	if err != nil {
		return Identity{}, invalid(string(token.BadClaim), "the token's rights are wrong: "+strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return Identity{
		Kind: Token, User: claims.User, Rights: r.For(claims.User), Data: claims.Data,
		Issued: claims.Issued, Expires: claims.Expires, ID: claims.ID, signed: true, ends: claims.Expires,
	}, nil
}

// over returns the limits of a, and those of b where a has none.
func over(a, b Limits) Limits {
	pick := func(a, b int) int {
		if a > 0 {
			return a
		}
		return b
	}
	return Limits{Messages: pick(a.Messages, b.Messages), Bytes: pick(a.Bytes, b.Bytes), Conns: pick(a.Conns, b.Conns)}
}

func refuseToken(e *token.Error) *Refusal {
	if e.Code == token.NoKeys {
		return &Refusal{Status: http.StatusServiceUnavailable, Code: string(e.Code), Reason: e.Reason, RetryAfter: e.RetryAfter}
	}
	return invalid(string(e.Code), e.Reason)
}

// withUser adds the user whom a trusted proxy names, unless the token says who it is.
func (s *state) withUser(id Identity, user string) (Identity, *Refusal) {
	if user == "" || id.User != "" {
		return id, nil
	}
	if err := hub.CheckUser(user); err != nil {
		return Identity{}, &Refusal{Status: http.StatusBadRequest, Code: CodeBadUser, Reason: plain(err)}
	}
	if id.Kind == Anonymous {
		id.Kind, id.Rights = Proxy, s.users
	}
	id.User, id.Rights = user, id.Rights.For(user)
	return id, nil
}
