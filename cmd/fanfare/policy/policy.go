package policy

import (
	"crypto/sha256"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy/conns"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy/revoke"
)

// Policy decides who a caller is and what it may do. Its methods may be called by any goroutine, and none of those that
// requests call waits for anything.
type Policy struct {
	opts  Options    // only Now and Log
	mu    sync.Mutex // of use and Close
	state atomic.Pointer[state]

	salt  [sha256.Size]byte // of keys
	seed  maphash.Seed      // of users and names of tokens
	gone  *revoke.Table
	conns *conns.Registry
}

// New returns a policy, or everything that is wrong with the options. The caller must close it.
func New(o Options) (*Policy, []error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	salt := newSalt()
	s, errs := newState(o, salt)
	if len(errs) > 0 {
		return nil, errs
	}
	if s.tokens != nil {
		s.tokens.Start(nil)
	}
	p := &Policy{
		opts: Options{Now: o.Now, Log: o.Log}, salt: salt, seed: maphash.MakeSeed(),
		gone: revoke.New(o.Now, nil), conns: conns.New(o.Now),
	}
	p.state.Store(s)
	p.conns.Start()
	return p, nil
}

// Update takes new options, for callers that come from now on, and reads the files again. If anything is wrong, nothing changes.
// Keys of Tokens.JWKSURL that have been fetched stay in force if that URL does. Revocations stay in force. Connections with a key
// that is gone, or has other rights, end; others keep the rights that they have.
func (p *Policy) Update(o Options) []error {
	use, errs := p.Prepare(o)
	if len(errs) == 0 {
		use()
	}
	return errs
}

// Prepare is Update in two steps: it reads the files, and returns a function that puts the options into force, or everything
// that is wrong with them. The function may be called once, or not at all.
func (p *Policy) Prepare(o Options) (use func(), errs []error) {
	o.Now, o.Log = p.opts.Now, p.opts.Log
	s, errs := newState(o, p.salt)
	if len(errs) > 0 {
		return nil, errs
	}
	return func() { p.use(s) }, nil
}

func (p *Policy) use(s *state) {
	p.mu.Lock()
	defer p.mu.Unlock()
	old := p.current()
	if s.tokens != nil {
		s.tokens.Start(old.tokens)
	}
	p.state.Store(s)
	if s.tokens == nil {
		old.tokens.Close()
	}
	p.endKeys(old, s)
}

// endKeys ends the connections with keys that are not in force as they were.
func (p *Policy) endKeys(old, now *state) {
	for i := range old.keys.keys {
		key := &old.keys.keys[i]
		if !now.keys.has(key.mark(), key.rights) {
			p.conns.End(conns.Filter{ID: key.mark()}, conns.KeyGone)
		}
	}
}

// Close ends what goes on in the background. It must be called once, and neither Update nor what Prepare returned may be called after it.
func (p *Policy) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.current().tokens.Close()
	p.conns.Close()
}

func (p *Policy) current() *state { return p.state.Load() }

// Authorize returns nil if the rights allow the action with the topic, or with all topics that match a pattern, and
// otherwise the refusal, which says what is missing. An empty topic is none in particular: it is for callers that have none
// of the rights.
func (p *Policy) Authorize(r *Rights, do Action, topic string) *Refusal {
	if r.May(do, topic) {
		return nil
	}
	return p.current().refuse(r, do, topic)
}

// HasKeys reports whether there is a key of the API, in force now.
func (p *Policy) HasKeys() bool { return len(p.current().keys.keys) > 0 }
