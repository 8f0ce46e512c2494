package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy/rights"
	"github.com/fanfare-ws/fanfare/hub"
)

// Granted is what the operator's program says about a caller.
type Granted struct {
	User string // empty for no user
	Grants
	Data    json.RawMessage // for presence
	Expires time.Time       // when the program must be asked again; zero for never
}

// FromBackend returns the identity that the operator's program grants. The error says what is wrong with the answer.
func (p *Policy) FromBackend(g Granted) (Identity, error) {
	if g.User != "" {
		if err := hub.CheckUser(g.User); err != nil {
			return Identity{}, fmt.Errorf("user: %s", plain(err))
		}
	}
	r, err := rights.Compile(g.Grants)
	if err != nil {
		return Identity{}, err
	}
	id := Identity{Kind: Backend, User: g.User, Rights: r.For(g.User), Issued: p.opts.Now(), Expires: g.Expires}
	if len(g.Data) > 0 {
		var b bytes.Buffer
		if err := json.Compact(&b, g.Data); err != nil {
			return Identity{}, fmt.Errorf("data: it is not JSON: %w", err)
		}
		id.Data = b.Bytes()
	}
	return id, nil
}
