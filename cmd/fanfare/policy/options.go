package policy

import (
	"log/slog"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy/rights"
)

// Options describe who may do what. Their zero value lets everybody do everything, except read the messages of users.
type Options struct {
	// TokenFile contains a key with all rights, whose name is "token". Any length is allowed.
	TokenFile string
	// Keys are the other keys.
	Keys []KeyOptions

	// Anonymous are the rights of callers that have not said who they are. If it is nil, they may do everything but read
	// users' topics without keys and tokens, read and list with keys, and nothing with tokens.
	Anonymous *Grants
	// Users are the rights of the users whom a trusted proxy names. If it is nil, they are those of Anonymous.
	Users *Grants

	// Cookie is the name of the cookie that may have a key or token. Empty means none.
	Cookie string

	// Now is the wall clock; nil means time.Now.
	Now func() time.Time
	// Log gets what changes in the background; nil means nothing.
	Log *slog.Logger
}

// OptionError is what is wrong with an option.
type OptionError struct {
	Field string // such as keys[1].file
	Err   error  // says the value, and what would be right
}

func (e *OptionError) Error() string { return e.Field + ": " + e.Err.Error() }

// Unwrap returns the error without the field.
func (e *OptionError) Unwrap() error { return e.Err }

func appendError(all []error, field string, err error) []error {
	if err == nil {
		return all
	}
	return append(all, &OptionError{field, err})
}

// Check reports everything that is wrong with the options. It reads the files and asks nobody.
func (o *Options) Check() []error {
	_, errs := newState(o)
	return errs
}

func (o *Options) restricted() bool { return o.TokenFile != "" || len(o.Keys) > 0 }

// state is what the options say.
type state struct {
	keys      keyring
	anonymous *Rights
	users     *Rights
	cookie    string
	only      bool // TokenFile is all there is
}

func newState(o *Options) (*state, []error) {
	s := &state{keys: newKeyring(), cookie: o.Cookie, only: len(o.Keys) == 0}
	errs := s.keys.load(o)
	anonymous := o.Anonymous
	if anonymous == nil {
		anonymous = defaultAnonymous(o)
	}
	var e []error
	s.anonymous, e = compile("anonymous", *anonymous, rights.CompileAnonymous)
	errs = append(errs, e...)
	s.users = s.anonymous
	if o.Users != nil {
		s.users, e = compile("users", *o.Users, rights.Compile)
		errs = append(errs, e...)
	}
	return s, errs
}

func defaultAnonymous(o *Options) *Grants {
	topics := []string{">"}
	if o.restricted() {
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
