package account

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/fair"
	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
)

// loginTime is for how long a login lasts.
const loginTime = 30 * 24 * time.Hour

// Token is what a client has to prove a login with.
type Token [32]byte

func newToken() (t Token) {
	_, _ = rand.Read(t[:]) // which never fails
	return t
}

// Hash is what the store keeps of it.
func (t Token) Hash() [32]byte { return sha256.Sum256(t[:]) }

// cookieName is the name of the cookie with the token. A browser takes one that begins
// with __Host- only from this host itself, over TLS.
func cookieName(secure bool) string {
	if secure {
		return "__Host-fanfare_session"
	}
	return "fanfare_session"
}

// Cookie returns the cookie that a client is to keep, which came over TLS if it is secure.
func Cookie(t Token, secure bool) *http.Cookie {
	return cookie(base64.RawURLEncoding.EncodeToString(t[:]), int(loginTime/time.Second), secure)
}

// ExpiredCookie returns what has a client forget its cookie.
func ExpiredCookie(secure bool) *http.Cookie { return cookie("", -1, secure) }

func cookie(value string, age int, secure bool) *http.Cookie {
	return &http.Cookie{
		Name: cookieName(secure), Value: value, Path: "/", MaxAge: age,
		Secure: secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}

// ErrNoLogin is wrapped by what Authenticate returns if nobody is logged in.
var ErrNoLogin = errors.New("you are not logged in, or not any more")

// Authenticate returns the login that the cookies of a request prove, and whose it is. The error
// wraps ErrNoLogin if there is none, and is a *TooManyError if too many ask.
func (a *Accounts) Authenticate(ctx context.Context, v Source) (store.Login, store.User, error) {
	tokens := tokensIn(v.Cookies, v.Secure)
	if len(tokens) == 0 {
		return store.Login{}, store.User{}, ErrNoLogin
	}
	release, err := a.admitLookup(ctx, &v)
	if err != nil {
		return store.Login{}, store.User{}, err
	}
	defer release()
	for _, t := range tokens {
		l, u, err := a.opts.Store.Login(ctx, t.Hash(), a.opts.Now())
		if !errors.Is(err, store.ErrNotFound) {
			return l, u, err
		}
	}
	return store.Login{}, store.User{}, ErrNoLogin
}

// admitLookup waits for a place to ask the store whose tokens are, which release gives back.
func (a *Accounts) admitLookup(ctx context.Context, v *Source) (release func(), err error) {
	release, err = a.lookups.Acquire(ctx, v.owner())
	if errors.Is(err, fair.ErrOwnerLimit) || errors.Is(err, fair.ErrTotalLimit) {
		err = &TooManyError{time.Second}
	}
	return release, err
}

// maxTokens is how many cookies of our name are tried: each costs a question to the store.
const maxTokens = 4

// tokensIn returns the tokens in the value of a Cookie header, each once. Other programs on
// the same host leave cookies there too, in whatever form: only what is ours is looked at.
// Ours may be there twice, as a path or a parent domain leaves them.
func tokensIn(cookies string, secure bool) (tokens []Token) {
	for pair := range strings.SplitSeq(cookies, ";") {
		name, value, _ := strings.Cut(pair, "=")
		if strings.TrimSpace(name) != cookieName(secure) {
			continue
		}
		value = strings.Trim(strings.TrimSpace(value), `"`)
		b, err := base64.RawURLEncoding.DecodeString(value)
		if err != nil || len(b) != len(Token{}) || slices.Contains(tokens, Token(b)) {
			continue
		}
		if tokens = append(tokens, Token(b)); len(tokens) == maxTokens {
			break
		}
	}
	return tokens
}

// LogOut ends a login; nothing is wrong if it has ended already.
func (a *Accounts) LogOut(ctx context.Context, hash [32]byte) error {
	err := a.opts.Store.RemoveLogin(ctx, hash)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// Expire ends the logins whose time has come, and returns them.
func (a *Accounts) Expire(ctx context.Context) ([]store.Login, error) {
	return a.opts.Store.ExpireLogins(ctx, a.opts.Now())
}
