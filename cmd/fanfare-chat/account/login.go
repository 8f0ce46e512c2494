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

// loginTime is the lifetime of a login.
const loginTime = 30 * 24 * time.Hour

// Token is the secret with which a client proves a login.
type Token [32]byte

func newToken() (t Token) {
	_, _ = rand.Read(t[:]) // never fails
	return t
}

// Hash returns the SHA-256 of the token, which is all that the store has of it.
func (t Token) Hash() [32]byte { return sha256.Sum256(t[:]) }

// cookieName returns the name of the cookie with the token. Browsers accept a cookie whose name starts
// with __Host- only from the host itself and over TLS.
func cookieName(secure bool) string {
	if secure {
		return "__Host-fanfare_session"
	}
	return "fanfare_session"
}

// Cookie returns the cookie with a token, for a client whose request came over TLS if secure is true.
func Cookie(t Token, secure bool) *http.Cookie {
	return cookie(base64.RawURLEncoding.EncodeToString(t[:]), int(loginTime/time.Second), secure)
}

// ExpiredCookie returns a cookie that makes the client delete its cookie.
func ExpiredCookie(secure bool) *http.Cookie { return cookie("", -1, secure) }

func cookie(value string, age int, secure bool) *http.Cookie {
	return &http.Cookie{
		Name: cookieName(secure), Value: value, Path: "/", MaxAge: age,
		Secure: secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}

// ErrNoLogin is the error for a request without a valid login. Its text is meant for the user.
var ErrNoLogin = errors.New("you are not logged in")

// Authenticate returns the login that a request proves with its cookies, and its user. The error is
// ErrNoLogin if there is none, a *TooManyError if too many lookups are waiting, or an error of the
// store.
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

// admitLookup waits for a place among the token lookups, which release gives back.
func (a *Accounts) admitLookup(ctx context.Context, v *Source) (release func(), err error) {
	release, err = a.lookups.Acquire(ctx, v.owner())
	if errors.Is(err, fair.ErrOwnerLimit) || errors.Is(err, fair.ErrTotalLimit) {
		err = &TooManyError{time.Second}
	}
	return release, err
}

// maxTokens bounds the cookies of our name that are tried. Each costs a query to the store.
const maxTokens = 4

// tokensIn returns the tokens in the value of a Cookie header, without duplicates. Other programs on
// the same host may add cookies of any form, which are skipped. Our cookie may be there several times,
// with different paths or domains.
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

// LogOut ends a login. A login that has already ended is not an error.
func (a *Accounts) LogOut(ctx context.Context, hash [32]byte) error {
	err := a.opts.Store.RemoveLogin(ctx, hash)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// Expire ends the logins that have expired, and returns them.
func (a *Accounts) Expire(ctx context.Context) ([]store.Login, error) {
	return a.opts.Store.ExpireLogins(ctx, a.opts.Now())
}
