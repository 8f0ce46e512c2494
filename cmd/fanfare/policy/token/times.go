package token

import (
	"slices"
	"time"
)

// checkTimes refuses a token that is not valid now.
func (v *Verifier) checkTimes(c *Claims) *Error {
	now, leeway := v.opts.Now(), v.opts.Leeway
	switch {
	case c.Expires.IsZero() && v.opts.RequireExpiry:
		return errorf(BadClaim, "the token has no exp; it must say when it ends")
	case !c.Expires.IsZero() && !now.Before(c.Expires.Add(leeway)):
		return errorf(Expired, "the token expired at %s; get a new one", c.Expires.UTC().Format(time.RFC3339))
	case !c.notBefore.IsZero() && now.Before(c.notBefore.Add(-leeway)):
		return errorf(NotYetValid, "the token is valid only in %v (nbf); check the clocks", c.notBefore.Sub(now).Round(time.Second))
	case !c.Issued.IsZero() && now.Before(c.Issued.Add(-leeway)):
		return errorf(NotYetValid, "the token was issued %v in the future (iat); check the clocks", c.Issued.Sub(now).Round(time.Second))
	}
	return v.checkLifetime(c, now)
}

func (v *Verifier) checkLifetime(c *Claims, now time.Time) *Error {
	from := c.Issued
	if from.IsZero() {
		from = now
	}
	if most := v.opts.MaxLifetime; most > 0 && c.Expires.Sub(from) > most {
		return errorf(TooLongLived, "the token is valid for %v; at most %v are allowed", c.Expires.Sub(from).Round(time.Second), most)
	}
	return nil
}

// checkParties refuses a token of another issuer, and one for somebody else.
func (v *Verifier) checkParties(o object) *Error {
	var issuer string
	if want := v.opts.Issuer; want != "" {
		if refused := takeText(o, "iss", &issuer); refused != nil {
			return refused
		}
		if issuer != want {
			return errorf(WrongIssuer, "the token's issuer (iss) is not the one whose tokens are accepted here")
		}
	}
	if len(v.opts.Audience) == 0 {
		return nil
	}
	audience, refused := takeAudience(o)
	if refused != nil {
		return refused
	}
	if !slices.ContainsFunc(audience, func(a string) bool { return slices.Contains(v.opts.Audience, a) }) {
		return errorf(WrongAudience, "the token is not for this server: its audience (aud) has to be the one that is configured here")
	}
	return nil
}

// takeAudience returns aud, which is a string or a list of them.
func takeAudience(o object) (all []string, refused *Error) {
	raw := o["aud"]
	if len(raw) == 0 || raw[0] != '"' {
		return all, take(o, "aud", &all)
	}
	var one string
	refused = takeText(o, "aud", &one)
	return []string{one}, refused
}
