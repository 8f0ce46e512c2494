package sessiontest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/session"
	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// Tokens are the tokens that a Server takes.
type Tokens struct {
	mu      sync.Mutex
	valid   map[string]issued
	open    map[*hub.Member]string
	uses    map[string]int
	renewed int
	down    bool
}

type issued struct {
	user string
	ttl  time.Duration
}

func newTokens() *Tokens {
	return &Tokens{valid: make(map[string]issued), open: make(map[*hub.Member]string), uses: make(map[string]int)}
}

// Issue makes a token valid. Each time a client sends it, the server says that it expires in ttl; it
// remains valid until End, whatever the time.
func (t *Tokens) Issue(token, user string, ttl time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.valid[token] = issued{user, ttl}
}

// End makes a token invalid, and ends the connections that have sent no other since.
func (t *Tokens) End(token string, why hub.CloseReason) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.valid, token)
	for m, sent := range t.open {
		if sent == token {
			m.Disconnect(why)
		}
	}
}

// Down has the server answer that it cannot check tokens.
func (t *Tokens) Down(down bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.down = down
}

// Uses returns how often the server has taken a token.
func (t *Tokens) Uses(token string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.uses[token]
}

// Renewed returns how many tokens have come on connections that were open.
func (t *Tokens) Renewed() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.renewed
}

// Open returns the tokens of the connections that are open, sorted.
func (t *Tokens) Open() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Sorted(maps.Values(t.open))
}

func (t *Tokens) authenticate(_ hub.Identity, token string) (id hub.Identity, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	k, ok := t.valid[token]
	switch {
	case t.down:
		return id, wire.Errorf(wire.Unavailable, "tokens cannot be checked now")
	case !ok:
		return id, errors.New("the token is not valid")
	}
	t.uses[token]++
	id = hub.Identity{User: k.user, Value: token}
	if k.ttl > 0 {
		id.Expires = time.Now().Add(k.ttl)
	}
	return id, nil
}

// identified ends a connection whose token has ended since authenticate.
func (t *Tokens) identified(m *hub.Member, id hub.Identity) {
	token, _ := id.Value.(string)
	if token == "" {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open[m] != "" {
		t.renewed++
	}
	t.open[m] = token
	if _, ok := t.valid[token]; !ok {
		m.Disconnect(session.TokenRevoked)
	}
}

func (t *Tokens) closed(m *hub.Member, _ wsproto.Code) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.open, m)
}

// limits limits the rate of two topics: each request for "never" is refused, and the first one of
// a kind for "soon".
type limits struct {
	mu   sync.Mutex
	seen map[string]bool
}

func newLimits() *limits { return &limits{seen: make(map[string]bool)} }

func (l *limits) limit(m *hub.Member, r *wire.Request) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := fmt.Sprint(m.ID(), r.Do)
	if r.Topic == "never" || r.Topic == "soon" && !l.seen[key] {
		l.seen[key] = true
		return 20 * time.Millisecond
	}
	return 0
}
