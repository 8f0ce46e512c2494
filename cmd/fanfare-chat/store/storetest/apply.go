package storetest

import (
	"context"
	"fmt"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
)

// send: each message has the next number and revision of its room.
func send(k *kit) {
	ada, bob := k.user("ada"), k.user("bob")
	a, b := k.room(store.Private, "a", ada, bob), k.room(store.Private, "b", bob, ada)
	list(k, "no changes", k.apply())
	changes := []store.Change{k.message(a, ada, "one"), k.message(b, bob, "eins"), k.message(a, bob, "two"), k.message(b, bob, "zwei"), k.message(a, ada, "")}
	var inA, inB []store.Message
	for i, o := range k.apply(changes...) {
		c := changes[i]
		k.must(o.Err)
		same(k, "again", o.Unchanged, false)
		want := store.Message{Room: c.Room, Author: c.User, Name: "ada", ClientID: c.ClientID, Text: c.Text, Sent: c.At}
		if c.User == bob.ID {
			want.Name = "bob"
		}
		room := &inA
		if c.Room == b.ID {
			room = &inB
		}
		want.Number = int64(len(*room)) + 1
		want.Rev = want.Number
		same(k, "the message", o.Message, want)
		*room = append(*room, want)
	}
	list(k, "a", k.history(a), inA...)
	list(k, "b", k.history(b), inB...)
	p := k.place(a, ada)
	if p.Last != 3 || p.Rev != 3 {
		k.Errorf("after three messages last is %d and rev %d", p.Last, p.Rev)
	}
}

// sendAgain: a message sent again with the same ID is stored once, unchanged.
func sendAgain(k *kit) {
	ada, bob := k.user("ada"), k.user("bob")
	r, other := k.room(store.Private, "room", ada, bob), k.room(store.Private, "other", ada)
	c := store.Change{Op: store.Send, Room: r.ID, User: ada.ID, ClientID: "name", Text: "hello", At: noon}
	repeated := c
	repeated.Text, repeated.At = "not this", noon.Add(time.Hour)
	outcomes := k.apply(c, repeated, c)
	same(k, "first", outcomes[0].Unchanged, false)
	m := outcomes[0].Message
	for _, o := range outcomes[1:] {
		same(k, "again", o, store.Outcome{Message: m, Unchanged: true})
	}
	same(k, "again, later", k.apply(c)[0], store.Outcome{Message: m, Unchanged: true})
	for _, c := range []store.Change{
		{Op: store.Send, Room: r.ID, User: bob.ID, ClientID: "name", Text: "bob's", At: noon},
		{Op: store.Send, Room: other.ID, User: ada.ID, ClientID: "name", Text: "elsewhere", At: noon},
		{Op: store.Send, Room: r.ID, User: ada.ID, ClientID: "Name", Text: "another name", At: noon},
	} {
		o := k.apply(c)[0]
		k.must(o.Err)
		if o.Unchanged || o.Message.Text != c.Text {
			k.Errorf("another's, elsewhere or by another name is %+v", o)
		}
	}
	edited := k.apply(store.Change{Op: store.Edit, Room: r.ID, User: ada.ID, Number: m.Number, Text: "edited", At: noon})[0].Message
	same(k, "again, when edited", k.apply(c)[0], store.Outcome{Message: edited, Unchanged: true})
	deleted := k.apply(store.Change{Op: store.Delete, Room: r.ID, User: ada.ID, Number: m.Number, At: noon})[0].Message
	same(k, "again, when deleted", k.apply(c)[0], store.Outcome{Message: deleted, Unchanged: true})
	p := k.place(r, ada)
	if p.Last != 3 || p.Rev != 5 {
		k.Errorf("last is %d and rev %d, want 3 and 5", p.Last, p.Rev)
	}
}

// edit: it gives the text, the time and a revision, and leaves all else.
func edit(k *kit) {
	ada := k.user("ada")
	r := k.room(store.Private, "room", ada)
	first, second := k.says(r, ada, "one"), k.says(r, ada, "two")
	c := store.Change{Op: store.Edit, Room: r.ID, User: ada.ID, Number: 1, Text: "uno", At: noon.Add(time.Hour)}
	o := k.apply(c)[0]
	want := first
	want.Text, want.Edited, want.Rev = "uno", c.At, 3
	same(k, "edited", o, store.Outcome{Message: want})
	list(k, "kept", k.history(r), want, second)
	c.At = noon.Add(2 * time.Hour)
	same(k, "to the same text", k.apply(c)[0], store.Outcome{Message: want, Unchanged: true})
	c.Text = "eins"
	want.Text, want.Edited, want.Rev = "eins", c.At, 4
	same(k, "edited again", k.apply(c)[0], store.Outcome{Message: want})
	list(k, "kept", k.history(r), want, second)
	same(k, "the room's last", k.place(r, ada).Last, 2)
	same(k, "the room's rev", k.place(r, ada).Rev, 4)
}

// remove: a trace is left, and what is deleted stays so.
func remove(k *kit) {
	ada := k.user("ada")
	r := k.room(store.Private, "room", ada)
	first, second := k.says(r, ada, "one"), k.says(r, ada, "two")
	c := store.Change{Op: store.Delete, Room: r.ID, User: ada.ID, Number: 1, At: noon.Add(time.Hour)}
	want := first
	want.Text, want.Deleted, want.Rev = "", true, 3
	same(k, "deleted", k.apply(c)[0], store.Outcome{Message: want})
	same(k, "deleted again", k.apply(c)[0], store.Outcome{Message: want, Unchanged: true})
	o := k.apply(store.Change{Op: store.Edit, Room: r.ID, User: ada.ID, Number: 1, Text: "back", At: noon})[0]
	k.fails("edited when deleted", o.Err, store.ErrNotFound)
	list(k, "kept", k.history(r), want, second)
	third := k.says(r, ada, "three")
	same(k, "the next number", third.Number, 3)
	same(k, "the next revision", third.Rev, 4)
	k.apply(store.Change{Op: store.Edit, Room: r.ID, User: ada.ID, Number: 3, Text: "drei", At: noon.Add(time.Hour)})
	o = k.apply(store.Change{Op: store.Delete, Room: r.ID, User: ada.ID, Number: 3, At: noon.Add(2 * time.Hour)})[0]
	same(k, "that it was edited is of the trace", o.Message.Edited, noon.Add(time.Hour))
}

// permissions: only members change messages, and only their own.
func permissions(k *kit) {
	ada, bob, eve := k.user("ada"), k.user("bob"), k.user("eve")
	r := k.room(store.Open, "room", bob, eve)
	m := k.says(r, bob, "bob's")
	for _, c := range []struct {
		what   string
		change store.Change
		want   error
	}{
		{"a stranger sends", store.Change{Op: store.Send, Room: r.ID, User: ada.ID, ClientID: "x", Text: "x"}, store.ErrForbidden},
		{"a stranger edits", store.Change{Op: store.Edit, Room: r.ID, User: ada.ID, Number: 1, Text: "x"}, store.ErrForbidden},
		{"a stranger who is a moderator deletes", store.Change{Op: store.Delete, Room: r.ID, User: ada.ID, Number: 1}, store.ErrForbidden},
		{"a stranger asks what there is", store.Change{Op: store.Edit, Room: r.ID, User: ada.ID, Number: 9, Text: "x"}, store.ErrForbidden},
		{"a room that is not there", store.Change{Op: store.Send, Room: r.ID + 1000, User: bob.ID, ClientID: "x", Text: "x"}, store.ErrForbidden},
		{"nobody sends", store.Change{Op: store.Send, Room: r.ID, User: bob.ID + 1000, ClientID: "x", Text: "x"}, store.ErrForbidden},
		{"another edits", store.Change{Op: store.Edit, Room: r.ID, User: eve.ID, Number: 1, Text: "x"}, store.ErrForbidden},
		{"another deletes", store.Change{Op: store.Delete, Room: r.ID, User: eve.ID, Number: 1}, store.ErrForbidden},
		{"edits what is not there", store.Change{Op: store.Edit, Room: r.ID, User: bob.ID, Number: 2, Text: "x"}, store.ErrNotFound},
		{"deletes what is not there", store.Change{Op: store.Delete, Room: r.ID, User: bob.ID, Number: 0}, store.ErrNotFound},
	} {
		c.change.At = noon
		o := k.apply(c.change)[0]
		k.fails(c.what, o.Err, c.want)
		same(k, c.what+": again", o.Unchanged, false)
	}
	list(k, "nothing has changed", k.history(r), m)
	same(k, "nor the revision", k.place(r, bob).Rev, 1)
}

// moderator: one who is a member deletes what others said, and edits nothing of theirs.
func moderator(k *kit) {
	ada, bob := k.user("ada"), k.user("bob")
	same(k, "ada is a moderator", ada.Moderator, true)
	r := k.room(store.Private, "room", bob, ada)
	k.says(r, bob, "bob's")
	outcomes := k.apply(store.Change{Op: store.Edit, Room: r.ID, User: ada.ID, Number: 1, Text: "x", At: noon},
		store.Change{Op: store.Delete, Room: r.ID, User: ada.ID, Number: 1, At: noon})
	k.fails("edits another's", outcomes[0].Err, store.ErrForbidden)
	k.must(outcomes[1].Err)
	same(k, "deleted", outcomes[1].Message.Deleted, true)
	same(k, "its author", outcomes[1].Message.Author, bob.ID)
}

// allAtOnce: changes see those before them, and one that is refused is none to others.
func allAtOnce(k *kit) {
	ada, bob := k.user("ada"), k.user("bob")
	r := k.room(store.Private, "room", ada, bob)
	outcomes := k.apply(
		k.message(r, bob, "one"),
		store.Change{Op: store.Edit, Room: r.ID, User: bob.ID, Number: 1, Text: "uno", At: noon},
		store.Change{Op: store.Edit, Room: r.ID, User: ada.ID, Number: 1, Text: "no", At: noon},
		store.Change{Op: store.Edit, Room: r.ID, User: bob.ID, Number: 2, Text: "too early", At: noon},
		k.message(r, ada, "two"),
		store.Change{Op: store.Delete, Room: r.ID, User: ada.ID, Number: 1, At: noon},
		store.Change{Op: store.Edit, Room: r.ID, User: bob.ID, Number: 1, Text: "too late", At: noon},
		store.Change{Op: store.Edit, Room: r.ID, User: ada.ID, Number: 2, Text: "due", At: noon},
	)
	var revs []int64
	for i, want := range []error{nil, nil, store.ErrForbidden, store.ErrNotFound, nil, nil, store.ErrNotFound, nil} {
		k.fails(fmt.Sprint("change ", i), outcomes[i].Err, want)
		if outcomes[i].Err == nil {
			revs = append(revs, outcomes[i].Message.Rev)
		} else {
			same(k, fmt.Sprint("the refused message ", i), outcomes[i].Message, store.Message{})
		}
	}
	list(k, "revisions", revs, 1, 2, 3, 4, 5)
	all := k.history(r)
	same(k, "messages", len(all), 2)
	same(k, "the first is deleted", all[0].Deleted, true)
	same(k, "the second's text", all[1].Text, "due")
}

// nothingOfAFailure: changes that cannot all be made are not made at all.
func nothingOfAFailure(k *kit) {
	ada := k.user("ada")
	r := k.room(store.Private, "room", ada)
	k.says(r, ada, "one")
	_, err := k.Apply(k.ctx, []store.Change{k.message(r, ada, "two"), {Op: 99, Room: r.ID, User: ada.ID, At: noon}})
	if err == nil {
		k.Error("there is no act 99, and no error")
	}
	ended, cancel := context.WithCancel(k.ctx)
	cancel()
	if _, err := k.Apply(ended, []store.Change{k.message(r, ada, "two")}); err == nil {
		k.Error("the context has ended, and there is no error")
	}
	same(k, "messages", len(k.history(r)), 1)
	found, _, err := k.Store.Search(k.ctx, r.ID, "two", 0, 10)
	k.must(err)
	list(k, "found", found)
	same(k, "the next one's revision", k.says(r, ada, "two").Rev, 2)
}
