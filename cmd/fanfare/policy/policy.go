package policy

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/fanfare-ws/fanfare/hub"
)

// Policy decides who a caller is and what it may do. Its methods may be called by any goroutine, and none of those that
// requests call waits for anything.
type Policy struct {
	mu    sync.Mutex // of Update and Close
	state atomic.Pointer[state]
}

// New returns a policy, or everything that is wrong with the options. The caller must close it.
func New(o Options) (*Policy, []error) {
	s, errs := newState(&o)
	if len(errs) > 0 {
		return nil, errs
	}
	p := new(Policy)
	p.state.Store(s)
	return p, nil
}

// Update takes new options, for callers that come from now on. If anything is wrong with them, nothing changes.
func (p *Policy) Update(o Options) []error {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, errs := newState(&o)
	if len(errs) == 0 {
		p.state.Store(s)
	}
	return errs
}

// Close ends what goes on in the background.
func (p *Policy) Close() {}

func (p *Policy) current() *state { return p.state.Load() }

// Identify returns who the caller is.
func (p *Policy) Identify(c Credentials) (Identity, *Refusal) {
	s := p.current()
	for _, secret := range c.Secrets {
		if key := s.keys.find(secret.Value); key != nil {
			return s.withUser(Identity{Kind: Key, Name: key.name, Rights: key.rights}, c.User)
		}
	}
	return s.withUser(Identity{Kind: Anonymous, Rights: s.anonymous}, c.User)
}

// withUser adds the user whom a trusted proxy names.
func (s *state) withUser(id Identity, user string) (Identity, *Refusal) {
	if user == "" {
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

// Authorize returns nil if the rights allow the action with the topic, or with all topics that match a pattern, and
// otherwise the refusal, which says what is missing.
func (p *Policy) Authorize(r *Rights, do Action, topic string) *Refusal {
	if r.May(do, topic) {
		return nil
	}
	return p.current().refuse(r, do, topic)
}

func (s *state) refuse(r *Rights, do Action, topic string) *Refusal {
	switch {
	case !r.Anonymous():
		return forbidden(CodeForbidden, fmt.Sprintf("this identity may not %s %s: its key or token has no right for that", do, what(topic)))
	case len(s.keys.keys) == 0:
		return forbidden(CodeForbidden, fmt.Sprintf("nobody may %s %s: the server was started without a key (-token-file FILE)", do, what(topic)))
	case s.only:
		return unauthenticated("this request needs the API token, as Authorization: Bearer TOKEN or ?token=TOKEN")
	}
	return unauthenticated(fmt.Sprintf("this request needs a key or token with the right to %s %s, as Authorization: Bearer TOKEN or ?token=TOKEN", do, what(topic)))
}

// what names a topic in a reason.
func what(topic string) string {
	switch {
	case hub.IsUserTopic(topic):
		return "the topics of users"
	case topic == "":
		return "topics"
	}
	return fmt.Sprintf("%.100q", topic)
}
