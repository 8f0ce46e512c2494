package policy

import (
	"fmt"
	"hash/maphash"
	"net/http"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy/conns"
)

// Names of package conns that callers of a Policy need.
type (
	// Target is a connection that can be ended.
	Target = conns.Target
	// Reason is why it ends.
	Reason = conns.Reason
	// Handle is the place of an open connection. 0 is that of one that need not be remembered.
	Handle = conns.Handle
)

// The reasons.
const (
	Expired   = conns.Expired
	Revoked   = conns.Revoked
	Withdrawn = conns.Withdrawn
	KeyGone   = conns.KeyGone
)

// Admit returns the refusal of a handshake of a user who has as many connections as are allowed. It is for an answer in HTTP: Open
// decides.
func (p *Policy) Admit(id *Identity) *Refusal {
	if most := p.mostConns(id); most > 0 && id.User != "" && p.conns.Conns(p.hash(markUser, id.User)) >= most {
		return tooMany(id.User, most)
	}
	return nil
}

func tooMany(user string, most int) *Refusal {
	return &Refusal{
		Status: http.StatusTooManyRequests, Code: CodeTooManyConns, RetryAfter: 5 * time.Second,
		Reason: fmt.Sprintf("user %.100q has %d connections, as many as are allowed", user, most),
	}
}

// mostConns returns the limit of the user's connections, or 0.
func (p *Policy) mostConns(id *Identity) int {
	if n := id.Rights.Limits().Conns; n > 0 {
		return n
	}
	return p.current().maxConns
}

// Open is called for each connection that is open. The caller must call Leave when it has closed. The target is ended when
// the identity is: when its token expires, or is revoked. Open refuses if that has happened meanwhile, and if the user
// has too many connections; then the caller closes the connection, and there is nothing to leave.
func (p *Policy) Open(t Target, id *Identity) (Handle, *Refusal) {
	if id.User == "" && id.mark == 0 && !id.signed && id.Expires.IsZero() {
		return 0, nil
	}
	most := p.mostConns(id)
	h, ok := p.conns.Add(p.conn(t, id), most)
	if !ok {
		return 0, tooMany(id.User, most)
	}
	// A revocation adds its entry first, and then looks for connections. So it finds the connection, or the entry is found here.
	if refusal := p.revoked(id); refusal != nil {
		p.conns.Remove(h)
		return 0, refusal
	}
	return h, nil
}

// Renew is Open for the new identity of an open connection. It returns the handle from now on, which is another one if the
// connection has had none. If it refuses, the connection keeps its former identity. Neither Renew nor Leave may run
// beside another call for the same connection.
func (p *Policy) Renew(h Handle, t Target, id *Identity) (Handle, *Refusal) {
	if h == 0 {
		return p.Open(t, id)
	}
	if refusal := p.revoked(id); refusal != nil {
		return h, refusal
	}
	if !p.conns.Renew(h, p.conn(t, id)) {
		return h, forbidden(CodeOtherUser, "the token is for another user; connect again with it")
	}
	if p.revoked(id) != nil { // since then, and the search may have passed by
		t.End(id.revokedFor())
	}
	return h, nil
}

// EachOf calls do for each connection that belongs to a user and is open, and returns their number. do may end it for a reason
// of the caller's. There is no order, and no lock is held.
func (p *Policy) EachOf(user string, do func(Target)) int {
	if user == "" {
		return 0
	}
	return p.conns.Each(conns.Filter{User: p.hash(markUser, user)}, do)
}

// Leave is called when a connection has closed.
func (p *Policy) Leave(h Handle) { p.conns.Remove(h) }

func (p *Policy) conn(t Target, id *Identity) conns.Conn {
	c := conns.Conn{Target: t, User: p.hash(markUser, id.User), ID: id.mark, Issued: id.Issued, NoToken: !id.signed}
	if end := id.end(); !end.IsZero() {
		c.Expires = end.Add(p.current().leeway)
	}
	return c
}

// The kinds of what hash is applied to.
const (
	markUser = 'u'
	markID   = 'i'
)

// hash returns a number that stands for a name in tables; 0 for none.
func (p *Policy) hash(kind byte, name string) uint64 {
	if name == "" {
		return 0
	}
	var h maphash.Hash
	h.SetSeed(p.seed)
	_ = h.WriteByte(kind)
	_, _ = h.WriteString(name)
	return max(h.Sum64(), 1)
}
