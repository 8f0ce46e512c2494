package policy

import (
	"encoding/json"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy/rights"
)

// Names of package rights that callers of a Policy need.
type (
	Action = rights.Action
	Rights = rights.Rights
	Grants = rights.Grants
	Limits = rights.Limits
)

// The actions.
const (
	Read   = rights.Read   // subscribe, and ask for history
	Write  = rights.Write  // publish
	List   = rights.List   // see that a topic exists, its figures and who is present
	Manage = rights.Manage // end the subscriptions and connections of others
)

// Identity is who a caller is and what it may do. It is made once, at the handshake or for a request. A connection keeps
// its Rights only, and a Handle. A copy whose fields have been changed, because the operator's program says so, still ends with
// its key or token.
type Identity struct {
	Kind    Kind
	Name    string          // of the key, for Key
	User    string          // empty if the caller is no user
	Rights  *Rights         // never nil
	Data    json.RawMessage // for presence; the receiver must not change it
	Issued  time.Time       // when the token was made; zero if it does not say
	Expires time.Time       // when the token ends; zero for never
	ID      string          // of the token (jti)
	Proxied string          // the user whom a trusted proxy names, who need not be User; the caller of Identify sets it
	Ignored bool            // the caller has sent a key that the server does not have, in a place that is for this server only

	mark   uint64    // hash of the ID, or of the key; 0 for none
	key    *Rights   // of the key; nil if it does not come from a key
	signed bool      // it comes from a token
	ends   time.Time // when that ends; zero for never
}

// Kind is how a caller has said who it is.
type Kind uint8

// The kinds.
const (
	Anonymous Kind = iota
	Key            // an API key
	Token          // a JWT
	Proxy          // the name of a user, from a trusted proxy
	Backend        // the answer of the operator's program
)

var kindNames = [...]string{"anonymous", "key", "token", "proxy", "backend"}

// String returns the kind in a word for logs and metrics.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// end returns when the identity ends, or its token if that is earlier; zero for never.
func (id *Identity) end() time.Time {
	if id.Expires.IsZero() || !id.ends.IsZero() && id.ends.Before(id.Expires) {
		return id.ends
	}
	return id.Expires
}
