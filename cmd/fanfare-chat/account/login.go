package account

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
)

// loginTime is for how long a login lasts.
const loginTime = 30 * 24 * time.Hour

// Token is what a client has to prove a login with.
type Token [32]byte

// Hash is what the store keeps of it.
func (t Token) Hash() [32]byte { return sha256.Sum256(t[:]) }

// begin logs a user in.
func (a *Accounts) begin(ctx context.Context, user int64) (t Token, err error) {
	_, _ = rand.Read(t[:]) // which never fails
	now := a.opts.Now()
	return t, a.opts.Store.AddLogin(ctx, store.Login{Hash: t.Hash(), User: user, Created: now, Expires: now.Add(loginTime)})
}

// cookieName is the name of the cookie with the token. A browser takes one that begins
// with __Host- only from this host itself, over TLS.
func (a *Accounts) cookieName() string {
	if a.opts.Secure {
		return "__Host-fanfare_session"
	}
	return "fanfare_session"
}

// Cookie returns the cookie that a client is to keep.
func (a *Accounts) Cookie(t Token) *http.Cookie {
	return a.cookie(base64.RawURLEncoding.EncodeToString(t[:]), int(loginTime/time.Second))
}

// NoCookie returns what has a client forget its cookie.
func (a *Accounts) NoCookie() *http.Cookie { return a.cookie("", -1) }

func (a *Accounts) cookie(value string, age int) *http.Cookie {
	return &http.Cookie{
		Name: a.cookieName(), Value: value, Path: "/", MaxAge: age,
		Secure: a.opts.Secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}

// ErrNoLogin is wrapped by what Who returns if nobody is logged in.
var ErrNoLogin = errors.New("you are not logged in, or not any more")

// Who returns the login that the cookies of a request prove, and whose it is; cookies is
// the value of the header. The error wraps ErrNoLogin if there is none.
func (a *Accounts) Who(ctx context.Context, cookies string) (store.Login, store.User, error) {
	hash, ok := a.hashIn(cookies)
	if !ok {
		return store.Login{}, store.User{}, ErrNoLogin
	}
	l, u, err := a.opts.Store.Login(ctx, hash, a.opts.Now())
	if errors.Is(err, store.ErrNotFound) {
		err = ErrNoLogin
	}
	return l, u, err
}

// hashIn returns the hash of the token in cookies, and whether there is one.
func (a *Accounts) hashIn(cookies string) (hash [32]byte, ok bool) {
	all, err := http.ParseCookie(cookies)
	if err != nil {
		return hash, false
	}
	for _, c := range all {
		if c.Name != a.cookieName() {
			continue
		}
		if b, err := base64.RawURLEncoding.DecodeString(c.Value); err == nil && len(b) == len(Token{}) {
			return Token(b).Hash(), true
		}
	}
	return hash, false
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
