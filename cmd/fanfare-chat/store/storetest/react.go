package storetest

import (
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
)

// react: a reaction is a change of its message, and is deleted with it.
func react(k *kit) {
	ada, bob, eve := k.user("ada"), k.user("bob"), k.user("eve")
	r := k.room(store.Private, "room", ada, bob)
	first, second := k.says(r, ada, "one"), k.says(r, ada, "two")
	does := func(act store.Op, who store.User, sign string) store.Outcome {
		return k.apply(store.Change{Op: act, Room: r.ID, User: who.ID, Number: 1, Text: sign, At: noon.Add(time.Hour)})[0]
	}
	want := first
	var all store.Reactions
	steps := []struct {
		act  store.Op
		who  store.User
		sign string
	}{{store.React, bob, "👍"}, {store.React, ada, "👍"}, {store.React, bob, "❤️"}, {store.Unreact, bob, "👍"}}
	for _, c := range steps {
		all, _ = all.With(c.sign, c.who.ID, c.act == store.React)
		want.Reactions, want.Rev = all, want.Rev+1
		if want.Rev == 2 {
			want.Rev = 3 // 2 is that of the second message
		}
		same(k, "reacted", does(c.act, c.who, c.sign), store.Outcome{Message: want})
		same(k, "again", does(c.act, c.who, c.sign), store.Outcome{Message: want, Unchanged: true})
		list(k, "kept", k.history(r), want, second)
	}
	changes, _, err := k.MessagesChangedAfter(k.ctx, r.ID, 2, 10)
	k.must(err)
	list(k, "changed", changes, want)
	found, _, err := k.Search(k.ctx, r.ID, "one", 0, 10)
	k.must(err)
	list(k, "found", found, want)
	same(k, "unread of bob's", k.place(r, bob).Read, 0)
	same(k, "the last", k.place(r, bob).Last, 2)

	k.fails("of somebody else", does(store.React, eve, "👍").Err, store.ErrForbidden)
	o := k.apply(store.Change{Op: store.React, Room: r.ID, User: ada.ID, Number: 9, Text: "👍", At: noon})[0]
	k.fails("to nothing", o.Err, store.ErrNotFound)
	edited := k.apply(store.Change{Op: store.Edit, Room: r.ID, User: ada.ID, Number: 1, Text: "uno", At: noon})[0]
	same(k, "after an edit", edited.Message.Reactions, all)
	deleted := k.apply(store.Change{Op: store.Delete, Room: r.ID, User: ada.ID, Number: 1, At: noon})[0]
	same(k, "after it was deleted", deleted.Message.Reactions, "")
	k.fails("to what is deleted", does(store.React, bob, "👍").Err, store.ErrNotFound)
}
