package storetest

import (
	"fmt"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
)

// unread: messages of others are unread until the user sends a message or marks them as read.
func unread(k *kit) {
	ada, bob := k.user("ada"), k.user("bob")
	r := k.room(store.Private, "room", ada, bob)
	check := func(what string, a, b int64) {
		k.Helper()
		pa, pb := k.place(r, ada), k.place(r, bob)
		if pa.Last-pa.Read != a || pb.Last-pb.Read != b {
			k.Errorf("%s: unread of ada's are %d, of bob's %d; want %d and %d", what, pa.Last-pa.Read, pb.Last-pb.Read, a, b)
		}
	}
	check("at first", 0, 0)
	one := k.message(r, ada, "one")
	k.apply(one)
	check("ada sends one", 0, 1)
	k.apply(k.message(r, ada, "two"), k.message(r, ada, "three"))
	check("ada sends two more", 0, 3)
	k.apply(store.Change{Op: store.Edit, Room: r.ID, User: ada.ID, Number: 3, Text: "drei", At: noon},
		store.Change{Op: store.Delete, Room: r.ID, User: ada.ID, Number: 2, At: noon})
	check("ada edits and deletes", 0, 3)
	k.apply(k.message(r, bob, "four"))
	check("bob sends", 1, 0)
	k.apply(one)
	check("ada sends again what was there", 1, 0)
	k.apply(k.message(r, ada, "five"), k.message(r, bob, "six"), k.message(r, ada, "seven"))
	check("both send", 0, 1)
}

// markRead: the number never decreases, and never exceeds that of the last message.
func markRead(k *kit) {
	ada, bob, eve := k.user("ada"), k.user("bob"), k.user("eve")
	r := k.room(store.Private, "room", ada, bob)
	for i := range 10 {
		k.says(r, ada, fmt.Sprint(i))
	}
	for _, c := range []struct{ number, read int64 }{{3, 3}, {2, 3}, {0, 3}, {-1, 3}, {3, 3}, {7, 7}, {11, 10}, {1 << 60, 10}, {5, 10}} {
		read, err := k.MarkRead(k.ctx, r.ID, bob.ID, c.number)
		k.must(err)
		same(k, fmt.Sprint("read after ", c.number), k.place(r, bob).Read, c.read)
		same(k, fmt.Sprint("what MarkRead returns after ", c.number), read, c.read)
	}
	k.says(r, ada, "more")
	same(k, "read after another", k.place(r, bob).Read, 10)
	_, err := k.MarkRead(k.ctx, r.ID, eve.ID, 1)
	k.fails("who is not there", err, store.ErrNotFound)
	_, err = k.MarkRead(k.ctx, r.ID+1000, ada.ID, 1)
	k.fails("what is not there", err, store.ErrNotFound)
}
