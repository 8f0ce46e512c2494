package policy

import (
	"errors"
	"fmt"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy/conns"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy/revoke"
	"github.com/fanfare-ws/fanfare/hub"
)

// ErrTooManyRevocations is returned if there are as many revocations as are allowed.
var ErrTooManyRevocations = revoke.ErrFull

// Revocation says which tokens are no longer valid: those of User, the one with that ID, or all.
type Revocation struct {
	User string // all tokens of the user that were issued until IssuedUntil
	ID   string // the token with that jti
	// IssuedUntil is in full seconds, as iat is. Tokens without iat are the oldest. Zero means now, with User.
	IssuedUntil time.Time
	// Keep is when the tokens concerned have expired; zero if that is not known.
	Keep time.Time
}

// check returns the revocation with its defaults.
func (r Revocation) check(now time.Time) (Revocation, error) {
	switch {
	case r.User != "" && r.ID != "":
		return r, errors.New("a revocation is by user or by the ID of a token, not by both")
	case r.User != "" && hub.CheckUser(r.User) != nil:
		return r, errors.New(plain(hub.CheckUser(r.User)))
	case r.ID != "" && !r.IssuedUntil.IsZero():
		return r, errors.New("a token that is revoked by its ID is revoked whenever it was issued; leave out the time")
	case r.User == "" && r.ID == "" && r.IssuedUntil.IsZero():
		return r, errors.New("a revocation needs a user, the ID of a token, or the time until which the tokens were issued")
	case r.IssuedUntil.After(now):
		return r, fmt.Errorf("%s is in the future; tokens can be revoked that were issued until now", r.IssuedUntil.Format(time.RFC3339))
	case !r.Keep.IsZero() && r.Keep.Before(now):
		return r, fmt.Errorf("%s is over; a revocation must be kept until the tokens have expired", r.Keep.Format(time.RFC3339))
	case r.User != "" && r.IssuedUntil.IsZero():
		r.IssuedUntil = now
	}
	return r, nil
}

// Revoke makes tokens invalid, and ends the connections that have them, or that a revoked user has without a token. It returns
// how many connections it has ended. Revocations are in memory only: after a restart they have to be repeated. An error that is
// not ErrTooManyRevocations says what is wrong with r.
func (p *Policy) Revoke(r Revocation) (ended int, err error) {
	now := p.opts.Now()
	if r, err = r.check(now); err != nil {
		return 0, err
	}
	s := p.current()
	if r.Keep.IsZero() {
		r.Keep = now.Add(s.keep)
		if s.lifetime > 0 {
			r.Keep = now.Add(s.lifetime)
		}
	}
	e := revoke.Entry{Kind: revoke.All, IssuedUntil: r.IssuedUntil.Unix(), Keep: r.Keep}
	f := conns.Filter{Until: r.IssuedUntil}
	switch {
	case r.User != "":
		e.Kind, e.Hash = revoke.User, p.hash(markUser, r.User)
		f.User = e.Hash
	case r.ID != "":
		e.Kind, e.Hash = revoke.ID, p.hash(markID, r.ID)
		f.ID = e.Hash
	}
	if err := p.gone.Add(e, s.maxRevocations); err != nil {
		return 0, err
	}
	return p.conns.End(f, conns.Revoked), nil
}

// revoked returns the refusal of an identity whose token has been revoked, or whose key is not in force as it was.
func (p *Policy) revoked(id *Identity) *Refusal {
	switch {
	case id.key != nil && !p.current().keys.has(id.mark, id.key):
		return invalid(CodeRevoked, "the key is no longer valid, or has other rights now")
	case id.signed && p.gone.Has(p.hash(markUser, id.User), id.mark, issuedAt(id)):
		return invalid(CodeRevoked, "the token was revoked; get a new one")
	}
	return nil
}

// revokedFor returns why the connection of an identity ends that revoked refuses.
func (id *Identity) revokedFor() Reason {
	if id.key != nil {
		return KeyGone
	}
	return Revoked
}

// issuedAt returns the time in seconds since 1970, 0 if it is not known.
func issuedAt(id *Identity) int64 {
	if id.Issued.IsZero() {
		return 0
	}
	return id.Issued.Unix()
}
