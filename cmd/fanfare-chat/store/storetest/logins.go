package storetest

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
)

func (k *kit) login(u store.User, token string, lasts time.Duration) store.Login {
	k.Helper()
	l := store.Login{Hash: sha256.Sum256([]byte(token)), User: u.ID, Created: noon, Expires: noon.Add(lasts)}
	ended, err := k.AddLogin(k.ctx, l, 100)
	k.must(err)
	list(k, "ended", ended)
	return l
}

// logins: a login is found by its hash until it expires or is removed.
func logins(k *kit) {
	ada, bob := k.user("ada"), k.user("bob")
	a, b := k.login(ada, "a", time.Hour), k.login(bob, "b", time.Hour)
	for _, c := range []struct {
		want store.Login
		user store.User
	}{{a, ada}, {b, bob}} {
		for _, now := range []time.Time{noon, noon.Add(time.Hour - time.Millisecond)} {
			l, u, err := k.Login(k.ctx, c.want.Hash, now)
			k.must(err)
			same(k, "login", l, c.want)
			same(k, "its user", u, c.user)
		}
		_, _, err := k.Login(k.ctx, c.want.Hash, c.want.Expires)
		k.fails("when it expires", err, store.ErrNotFound)
	}
	_, _, err := k.Login(k.ctx, [32]byte{}, noon)
	k.fails("another hash", err, store.ErrNotFound)
	k.must(k.RemoveLogin(k.ctx, a.Hash))
	_, _, err = k.Login(k.ctx, a.Hash, noon)
	k.fails("removed", err, store.ErrNotFound)
	k.fails("removed twice", k.RemoveLogin(k.ctx, a.Hash), store.ErrNotFound)
	_, _, err = k.Login(k.ctx, b.Hash, noon)
	k.must(err)
	l := store.Login{Hash: sha256.Sum256([]byte("x")), User: bob.ID + 1000, Created: noon, Expires: noon.Add(time.Hour)}
	_, err = k.AddLogin(k.ctx, l, 100)
	k.fails("a login of nobody", err, store.ErrNotFound)
}

// loginsExpire: expired logins are returned once.
func loginsExpire(k *kit) {
	ada := k.user("ada")
	want := make(map[[32]byte]store.Login)
	for i := range 20 {
		l := k.login(ada, fmt.Sprint(i), time.Duration(i)*time.Minute)
		if i <= 10 {
			want[l.Hash] = l
		}
	}
	expired, err := k.ExpireLogins(k.ctx, noon.Add(10*time.Minute))
	k.must(err)
	same(k, "expired", len(expired), len(want))
	for _, l := range expired {
		same(k, "an expired one", l, want[l.Hash])
	}
	expired, err = k.ExpireLogins(k.ctx, noon.Add(10*time.Minute))
	k.must(err)
	list(k, "expired again", expired)
	_, _, err = k.Login(k.ctx, sha256.Sum256([]byte("11")), noon.Add(10*time.Minute))
	k.must(err)
}

// setPassword: a change ends all logins of the user but one. Only the first of two changes of the same
// password succeeds.
func setPassword(k *kit) {
	ada, bob := k.user("ada"), k.user("bob")
	other := k.login(bob, "other", time.Hour)
	kept, one, two := k.login(ada, "kept", time.Hour), k.login(ada, "one", time.Hour), k.login(ada, "two", time.Hour)
	_, err := k.SetPassword(k.ctx, ada.ID, ada.Password+"x", "another", kept.Hash)
	k.fails("not her password", err, store.ErrNotFound)
	_, err = k.SetPassword(k.ctx, ada.ID+1000, ada.Password, "another", kept.Hash)
	k.fails("nobody's", err, store.ErrNotFound)
	for _, l := range []store.Login{kept, one, two, other} {
		_, _, err := k.Login(k.ctx, l.Hash, noon)
		k.must(err)
	}
	ended, err := k.SetPassword(k.ctx, ada.ID, ada.Password, "another", kept.Hash)
	k.must(err)
	slices.SortFunc(ended, func(l, m store.Login) int { return bytes.Compare(l.Hash[:], m.Hash[:]) })
	want := []store.Login{one, two}
	slices.SortFunc(want, func(l, m store.Login) int { return bytes.Compare(l.Hash[:], m.Hash[:]) })
	list(k, "ended", ended, want...)
	for _, l := range want {
		_, _, err := k.Login(k.ctx, l.Hash, noon)
		k.fails("another login", err, store.ErrNotFound)
	}
	_, u, err := k.Login(k.ctx, kept.Hash, noon)
	k.must(err)
	same(k, "the password", u.Password, "another")
	_, u, err = k.Login(k.ctx, other.Hash, noon)
	k.must(err)
	same(k, "bob's password", u.Password, bob.Password)
	_, err = k.SetPassword(k.ctx, ada.ID, ada.Password, "a third", kept.Hash)
	k.fails("the password before", err, store.ErrNotFound)
}

// loginsAreLimited: the oldest logins of a user with too many end.
func loginsAreLimited(k *kit) {
	ada, bob := k.user("ada"), k.user("bob")
	other := k.login(bob, "other", time.Hour)
	var all []store.Login
	for i := range 6 {
		l := store.Login{Hash: sha256.Sum256([]byte{byte(i)}), User: ada.ID, Created: noon.Add(time.Duration(i) * time.Second), Expires: noon.Add(time.Hour)}
		ended, err := k.AddLogin(k.ctx, l, 3)
		k.must(err)
		all = append(all, l)
		if i < 3 {
			list(k, "ended", ended)
		} else {
			list(k, "ended", ended, all[i-3])
		}
	}
	for i, l := range all {
		_, _, err := k.Login(k.ctx, l.Hash, noon)
		if i < 3 {
			k.fails("one of the oldest", err, store.ErrNotFound)
		} else {
			k.must(err)
		}
	}
	_, _, err := k.Login(k.ctx, other.Hash, noon)
	k.must(err)
	// A new login never ends itself, even if its time is not later than those of the others.
	for i := range 6 {
		l := store.Login{Hash: sha256.Sum256([]byte{byte(10 + i)}), User: ada.ID, Created: noon, Expires: noon.Add(time.Hour)}
		_, err := k.AddLogin(k.ctx, l, 1)
		k.must(err)
		_, _, err = k.Login(k.ctx, l.Hash, noon)
		k.must(err)
	}
}
