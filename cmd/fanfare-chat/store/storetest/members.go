package storetest

import (
	"fmt"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
)

// join: any user can join an open room, and no user can join another room.
func join(k *kit) {
	ada, bob := k.user("ada"), k.user("bob")
	r := k.room(store.Open, "open", ada)
	k.says(r, ada, "one")
	k.says(r, ada, "two")
	p, err := k.Join(k.ctx, r.ID, bob.ID)
	k.must(err)
	same(k, "read at once", p.Read, 2)
	same(k, "the place", p, k.place(r, bob))
	k.says(r, ada, "three")
	p, err = k.Join(k.ctx, r.ID, bob.ID)
	k.must(err)
	same(k, "read when joined again", p.Read, 2)
	list(k, "who is there", k.memberKeys(r, 10), "ada", "bob")

	hidden := k.room(store.Private, "hidden", ada)
	_, err = k.Join(k.ctx, hidden.ID, bob.ID)
	k.fails("a private one", err, store.ErrNotFound)
	list(k, "who is there", k.memberKeys(hidden, 10), "ada")
	_, err = k.Join(k.ctx, hidden.ID+1000, bob.ID)
	k.fails("one that is not there", err, store.ErrNotFound)
	_, err = k.Join(k.ctx, r.ID, bob.ID+1000)
	k.fails("nobody joins", err, store.ErrNotFound)
}

// invite: members of a room can add others.
func invite(k *kit) {
	ada, bob, eve := k.user("ada"), k.user("bob"), k.user("eve")
	for _, kind := range []store.Kind{store.Private, store.Open} {
		r := k.room(kind, "room", ada)
		_, err := k.Invite(k.ctx, r.ID, bob.ID, eve.ID)
		k.fails("by who is not in it", err, store.ErrNotFound)
		_, err = k.Invite(k.ctx, r.ID, bob.ID, bob.ID)
		k.fails("by oneself", err, store.ErrNotFound)
		for i, c := range []struct{ by, user store.User }{{ada, bob}, {bob, eve}, {ada, eve}, {eve, ada}, {bob, bob}} {
			added, err := k.Invite(k.ctx, r.ID, c.by.ID, c.user.ID)
			k.must(err)
			same(k, fmt.Sprint("added ", i), added, i < 2)
		}
		list(k, "who is there", k.memberKeys(r, 10), "ada", "bob", "eve")
		_, err = k.Invite(k.ctx, r.ID, ada.ID, eve.ID+1000)
		k.fails("nobody", err, store.ErrNotFound)
		_, err = k.Invite(k.ctx, r.ID+1000, ada.ID, eve.ID)
		k.fails("to no room", err, store.ErrNotFound)
	}
}

// leave: a former member can neither send nor read, and may join again.
func leave(k *kit) {
	ada, bob := k.user("ada"), k.user("bob")
	r := k.room(store.Open, "room", ada, bob)
	k.fails("where one is not", k.Store.Leave(k.ctx, r.ID+1000, bob.ID), store.ErrNotFound)
	m := k.says(r, bob, "hello")
	k.must(k.Store.Leave(k.ctx, r.ID, bob.ID))
	k.fails("twice", k.Store.Leave(k.ctx, r.ID, bob.ID), store.ErrNotFound)
	list(k, "who is there", k.memberKeys(r, 10), "ada")
	list(k, "the rooms of a former member", k.membershipsOf(bob))
	_, err := k.Membership(k.ctx, r.ID, bob.ID)
	k.fails("the place", err, store.ErrNotFound)
	for _, o := range k.apply(k.message(r, bob, "more"),
		store.Change{Op: store.Send, Room: r.ID, User: bob.ID, ClientID: m.ClientID, Text: m.Text, At: noon},
		store.Change{Op: store.Edit, Room: r.ID, User: bob.ID, Number: m.Number, Text: "x", At: noon},
		store.Change{Op: store.Delete, Room: r.ID, User: bob.ID, Number: m.Number, At: noon}) {
		k.fails("who has left changes something", o.Err, store.ErrForbidden)
	}
	list(k, "what was said", k.history(r), m)
	k.says(r, ada, "is bob gone?")
	p, err := k.Join(k.ctx, r.ID, bob.ID)
	k.must(err)
	same(k, "unread when back", p.Last-p.Read, 0)
}

// members: the members of this room only, with ID, Name and Key.
func members(k *kit) {
	ada := k.user("ada")
	bob, err := k.AddUser(k.ctx, store.User{Name: "Bob!", Key: "bob", Password: "secret", Created: noon})
	k.must(err)
	r := k.room(store.Private, "room", ada, bob)
	k.room(store.Private, "other", bob)
	all, more, err := k.Store.Members(k.ctx, r.ID, "", 2)
	k.must(err)
	same(k, "more", more, false)
	list(k, "members", all, store.User{ID: ada.ID, Name: "ada", Key: "ada"}, store.User{ID: bob.ID, Name: "Bob!", Key: "bob"})
	all, more, err = k.Store.Members(k.ctx, r.ID+1000, "", 2)
	k.must(err)
	if len(all) != 0 || more {
		k.Errorf("a room that does not exist has the members %v, more %v", all, more)
	}
}

// memberships: the rooms of a user, sorted by ID, are the same as those requested one by one.
func memberships(k *kit) {
	ada, bob := k.user("ada"), k.user("bob")
	var want []store.Membership
	for i, kind := range []store.Kind{store.Open, store.Private, store.Direct, store.Private} {
		var r store.Room
		if kind == store.Direct {
			var err error
			r, _, err = k.DirectRoom(k.ctx, ada.ID, bob.ID, noon)
			k.must(err)
		} else {
			r = k.room(kind, fmt.Sprint("room ", i), bob, ada)
		}
		for range i {
			k.says(r, bob, "hello")
		}
		k.room(store.Private, "of bob's alone", bob)
		p := k.place(r, ada)
		same(k, "last", p.Last, int64(i))
		same(k, "rev", p.Rev, int64(i))
		want = append(want, p)
	}
	list(k, "ada's rooms", k.membershipsOf(ada), want...)
}

// counts: the numbers of members and rooms, also of rooms and users that do not exist.
func counts(k *kit) {
	ada, bob := k.user("ada"), k.user("bob")
	r, other := k.room(store.Open, "room", ada, bob), k.room(store.Private, "other", ada)
	for _, c := range []struct {
		room, user     int64
		members, rooms int
	}{{r.ID, ada.ID, 2, 2}, {other.ID, bob.ID, 1, 1}, {0, 0, 0, 0}} {
		members, rooms, err := k.Counts(k.ctx, c.room, c.user)
		k.must(err)
		same(k, "members", members, c.members)
		same(k, "rooms", rooms, c.rooms)
	}
}
