package storetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
)

// times: times are returned in UTC with a resolution of milliseconds.
func times(k *kit) {
	zone := time.FixedZone("elsewhere", 5*3600+1800)
	at := time.Date(2031, 12, 31, 23, 59, 59, 987654321, zone)
	want := time.Date(2031, 12, 31, 18, 29, 59, 987000000, time.UTC)
	u, err := k.AddUser(k.ctx, store.User{Name: "ada", Key: "ada", Created: at})
	k.must(err)
	found, err := k.UserByKey(k.ctx, "ada")
	k.must(err)
	same(k, "created", u.Created, want)
	same(k, "kept", found, u)
	r, err := k.AddRoom(k.ctx, store.Room{Kind: store.Private, Name: "r", Owner: u.ID, Created: at})
	k.must(err)
	same(k, "the room", k.place(r, u).Room, r)
	same(k, "the room's time", r.Created, want)
	c := k.message(r, u, "text")
	c.At = at
	m := k.apply(c)[0].Message
	same(k, "sent", m.Sent, want)
	same(k, "never edited", m.Edited, time.Time{})
	list(k, "kept", k.history(r), m)
	m = k.apply(store.Change{Op: store.Edit, Room: r.ID, User: u.ID, Number: 1, Text: "new", At: at.Add(time.Hour)})[0].Message
	same(k, "edited", m.Edited, want.Add(time.Hour))
	list(k, "kept", k.history(r), m)
	l := store.Login{Hash: [32]byte{1}, User: u.ID, Created: at, Expires: at.Add(time.Hour)}
	_, err = k.AddLogin(k.ctx, l, 100)
	k.must(err)
	l, _, err = k.Login(k.ctx, l.Hash, at)
	k.must(err)
	same(k, "the login's time", l.Created, want)
	same(k, "its end", l.Expires, want.Add(time.Hour))
}

// texts: texts are returned unchanged.
func texts(k *kit) {
	ada := k.user("ada")
	r := k.room(store.Private, "room", ada)
	all := []string{
		"", " ", "\n\t two lines \n", "'; DROP TABLE messages; --", `\ " ' % _ $1 ?1 :a @b`, "NULL", "0", "1e3", "true",
		"日本語", "😀👩‍👩‍👧‍👦🏳️‍🌈", "e\u0301 é", "\u202eright to left", "\ufeff", "\U0010ffff", strings.Repeat("long 😀 ", 800), strings.Repeat("ü", 4000),
		strings.Repeat("w ", 4000), strings.Repeat("q", 8000),
	}
	var distinct []string
	for i := range 1300 {
		distinct = append(distinct, fmt.Sprintf("%05x", i*7919))
	}
	all = append(all, strings.Join(distinct, " "))
	var want []store.Message
	for _, text := range all {
		m := k.says(r, ada, text)
		same(k, "sent", m.Text, text)
		want = append(want, m)
	}
	list(k, "kept", k.history(r), want...)
	k.finds(r, distinct[len(distinct)-1], int64(len(all)))
}

// reopen: a store has the same contents after it has been closed and opened again.
func reopen(k *kit) {
	if k.reopen == nil {
		k.Skip("this store cannot be opened again")
	}
	ada, bob := k.user("ada"), k.user("bob")
	open := k.room(store.Open, "open", ada, bob)
	direct, _, err := k.DirectRoom(k.ctx, ada.ID, bob.ID, noon)
	k.must(err)
	login := k.login(bob, "token", time.Hour)
	first := k.message(open, ada, "first")
	k.apply(first, k.message(direct, bob, "hi"))
	k.says(open, ada, "second")
	k.apply(store.Change{Op: store.Edit, Room: open.ID, User: ada.ID, Number: 1, Text: "edited", At: noon})
	rooms, history := k.membershipsOf(bob), k.history(open)

	k.must(k.Store.Close())
	k.Store = k.reopen(k.TB)
	list(k, "the rooms of bob", k.membershipsOf(bob), rooms...)
	list(k, "history", k.history(open), history...)
	k.finds(open, "edited", 1)
	same(k, "sent again", k.apply(first)[0].Unchanged, true)
	l, u, err := k.Login(k.ctx, login.Hash, noon)
	k.must(err)
	same(k, "login", l, login)
	same(k, "user", u, bob)
	next := k.says(open, bob, "third")
	same(k, "the next number", next.Number, 3)
	same(k, "the next revision", next.Rev, 4)
	if k.user("eve").Moderator {
		k.Error("the second user is a moderator too")
	}
}
