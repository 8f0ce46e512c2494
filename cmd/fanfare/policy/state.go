package policy

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy/rights"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy/token"
)

// state is what the options say. It does not change.
type state struct {
	keys      keyring
	tokens    *token.Verifier // nil if there are none
	granted   Grants          // of tokens that do not say
	anonymous *Rights
	users     *Rights
	cookie    string
	only      bool // TokenFile is all there is

	maxConns       int // per user
	maxRevocations int
	keep           time.Duration // revocations
	lifetime       time.Duration // of tokens, with the leeway; 0 for any
	leeway         time.Duration
}

// newState returns the state, or everything that is wrong with the options. Its tokens have not been started.
func newState(o Options, salt [sha256.Size]byte) (*state, []error) {
	errs := o.checkLimits()
	s := &state{
		keys: keyring{salt: salt}, cookie: o.Cookie, only: len(o.Keys) == 0 && !o.Tokens.Configured(),
		maxConns: o.MaxConnsPerUser, maxRevocations: o.MaxRevocations, keep: o.KeepRevocations,
	}
	errs = append(errs, s.keys.load(&o)...)
	errs = append(errs, s.loadTokens(&o)...)
	return s, append(errs, s.loadDefaults(&o)...)
}

// loadDefaults sets the rights of callers without a key or token.
func (s *state) loadDefaults(o *Options) (errs []error) {
	anonymous := o.Anonymous
	if anonymous == nil {
		anonymous = defaultAnonymous(o)
	}
	s.anonymous, errs = compile("anonymous", *anonymous, rights.CompileAnonymous)
	s.users = s.anonymous
	if o.Users != nil {
		var more []error
		s.users, more = compile("users", *o.Users, rights.Compile)
		errs = append(errs, more...)
	}
	return errs
}

func (s *state) loadTokens(o *Options) (errs []error) {
	if o.Granted != nil {
		s.granted = *o.Granted
		_, errs = compile("granted", s.granted, rights.Compile)
	}
	if !o.Tokens.Configured() {
		return errs
	}
	t := o.Tokens
	t.Now, t.Log = o.Now, o.Log
	var wrong []error
	s.tokens, wrong = token.New(t)
	for _, err := range wrong {
		var field *token.FieldError
		if errors.As(err, &field) {
			err = &OptionError{"tokens." + field.Field, field.Err}
		}
		errs = append(errs, err)
	}
	if s.leeway = t.Leeway; t.MaxLifetime > 0 {
		s.lifetime = t.MaxLifetime + t.Leeway
	}
	return errs
}

func defaultAnonymous(o *Options) *Grants {
	topics := []string{">"}
	switch {
	case o.Tokens.Configured():
		return new(Grants)
	case o.TokenFile != "" || len(o.Keys) > 0:
		return &Grants{Read: topics, List: topics}
	}
	g := rights.Everything()
	g.Read, g.List = topics, topics
	return &g
}

// compile returns the rights, or what is wrong with the grants of that field.
func compile(field string, g Grants, do func(Grants) (*Rights, error)) (*Rights, []error) {
	errs := g.Check()
	for i, err := range errs {
		errs[i] = &OptionError{field, err}
	}
	if errs != nil {
		return nil, errs
	}
	r, err := do(g)
	return r, appendError(nil, field, err)
}

// refuse says what is missing for the action.
func (s *state) refuse(r *Rights, do Action, topic string) *Refusal {
	switch {
	case !r.Anonymous():
		return forbidden(CodeForbidden, fmt.Sprintf("the caller has no right to %s %s; its key, token or user needs one", do, what(topic)))
	case len(s.keys.keys) == 0 && s.tokens == nil && s.users.Any(do) && !s.anonymous.Any(do):
		return forbidden(CodeForbidden, fmt.Sprintf("only users whom a proxy names may %s %s", do, what(topic)))
	case len(s.keys.keys) == 0 && s.tokens == nil:
		return forbidden(CodeForbidden, fmt.Sprintf("callers without a key may not %s %s, and the server was started without keys (-token-file FILE)", do, what(topic)))
	case s.only:
		return unauthenticated("this request needs the API token, as Authorization: Bearer TOKEN or ?token=TOKEN")
	}
	return unauthenticated(fmt.Sprintf("this request needs a key or token with the right to %s %s, as Authorization: Bearer TOKEN or ?token=TOKEN", do, what(topic)))
}
