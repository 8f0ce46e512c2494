package account

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
)

// slow is a store that delays the lookup of some tokens until it is freed.
type slow struct {
	store.Store
	hashes map[[32]byte]bool
	asked  chan struct{}
	free   chan struct{}
}

func (s *slow) Login(ctx context.Context, hash [32]byte, now time.Time) (store.Login, store.User, error) {
	if s.hashes[hash] {
		s.asked <- struct{}{}
		<-s.free
	}
	return s.Store.Login(ctx, hash, now)
}

// Clients at one address that make up tokens, for requests or to log in, do not delay clients at another
// address, and the number of waiting lookups is bounded.
func TestStrangersAskInTurns(t *testing.T) {
	a := accounts(t, Options{})
	made := newToken()
	s := &slow{Store: a.opts.Store, hashes: map[[32]byte]bool{made.Hash(): true}, asked: make(chan struct{}, maxLookupsPerAddr+maxWaitingPerAddr), free: make(chan struct{})}
	a.opts.Store = s
	v := at(from, inCookie(made, false))
	var all sync.WaitGroup
	for i := range maxLookupsPerAddr + maxWaitingPerAddr {
		all.Go(func() {
			var err error
			if i%2 == 0 {
				_, _, err = a.Authenticate(t.Context(), v)
			} else {
				_, err = a.ownLogin(t.Context(), &v, "ada")
			}
			if err != nil && !errors.Is(err, ErrNoLogin) {
				t.Error(err)
			}
		})
	}
	if !netpolltest.Settles(10*time.Second, func() bool { return a.lookups.Waiting() == maxWaitingPerAddr }) {
		t.Errorf("%d lookups are waiting", a.lookups.Waiting())
	}
	var many *TooManyError
	if _, _, err := a.Authenticate(t.Context(), v); !errors.As(err, &many) {
		t.Errorf("one lookup too many: %v", err)
	}
	if _, err := a.LogIn(t.Context(), v, "ada", "correct horse"); !errors.As(err, &many) {
		t.Errorf("one login too many: %v", err)
	}
	if n := len(s.asked); n != maxLookupsPerAddr {
		t.Errorf("%d lookups at a time", n)
	}
	if _, _, err := a.Authenticate(t.Context(), at(other, inCookie(newToken(), false))); !errors.Is(err, ErrNoLogin) {
		t.Errorf("another address: %v", err)
	}
	close(s.free)
	all.Wait()
}

// failing is a store that fails to look up a token.
type failing struct {
	store.Store
	hash [32]byte
}

var errFails = errors.New("the database fails")

func (s *failing) Login(ctx context.Context, hash [32]byte, now time.Time) (store.Login, store.User, error) {
	if hash == s.hash {
		return store.Login{}, store.User{}, errFails
	}
	return s.Store.Login(ctx, hash, now)
}

// Ended logins are returned even if the new login could not be completed.
func TestEndedBesideAnError(t *testing.T) {
	a := accounts(t, Options{MaxLogins: 1})
	e, err := a.SignUp(t.Context(), at(from), "Ada", "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	broken := newToken()
	a.opts.Store = &failing{a.opts.Store, broken.Hash()}
	v := at(from, inCookie(broken, false))
	if got, err := a.addLogin(t.Context(), &v, e.User); !errors.Is(err, errFails) || len(got.Ended) != 1 || got.Ended[0].Hash != e.Token.Hash() {
		t.Errorf("%+v %v", got, err)
	}
	again := NewLogin{User: e.User, Token: newToken(), Ended: []store.Login{{User: e.User.ID}}}
	again.User.Password = "another by now"
	if got, err := a.revokeIfPasswordChanged(t.Context(), again); !errors.Is(err, ErrCredentials) || len(got.Ended) != 1 {
		t.Errorf("%+v %v", got, err)
	}
}
