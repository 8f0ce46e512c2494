package storetest

import (
	"fmt"
	"slices"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
)

// rooms: names must be unique among open rooms only, and the creator of a room is a member.
func rooms(k *kit) {
	ada, bob := k.user("ada"), k.user("bob")
	want := store.Room{Kind: store.Open, Name: "Größtes Zimmer", Key: "grösstes zimmer", Owner: ada.ID, Created: noon}
	r, err := k.AddRoom(k.ctx, want)
	k.must(err)
	want.ID = r.ID
	same(k, "added", r, want)
	same(k, "its owner's place", k.place(r, ada), store.Membership{Room: want})
	_, err = k.Membership(k.ctx, r.ID, bob.ID)
	k.fails("another's place", err, store.ErrNotFound)

	_, err = k.AddRoom(k.ctx, store.Room{Kind: store.Open, Name: "other", Key: want.Key, Owner: bob.ID, Created: noon})
	k.fails("a second open one", err, store.ErrTaken)
	list(k, "the rooms of a user who was refused one", k.membershipsOf(bob))
	first := k.room(store.Private, want.Key, bob)
	second := k.room(store.Private, want.Key, bob)
	if first.ID == second.ID || first.ID == r.ID {
		k.Errorf("rooms %d, %d and %d", r.ID, first.ID, second.ID)
	}
	_, err = k.AddRoom(k.ctx, store.Room{Kind: store.Private, Name: "x", Key: "x", Owner: bob.ID + 1000, Created: noon})
	k.fails("nobody's room", err, store.ErrNotFound)
}

func (k *kit) membershipsOf(u store.User) []store.Membership {
	k.Helper()
	all, err := k.Memberships(k.ctx, u.ID)
	k.must(err)
	return all
}

// openRooms: pages of the open rooms only, by key, compared byte by byte.
func openRooms(k *kit) {
	ada, bob := k.user("ada"), k.user("bob")
	keys := []string{"zebra", "Zebra", "a", "a b", "ab", "ä", "日本", "😀", "a-b", "_", "10", "9"}
	for _, key := range keys {
		k.room(store.Open, key, ada)
	}
	k.room(store.Private, "hidden", ada)
	_, _, err := k.DirectRoom(k.ctx, ada.ID, bob.ID, noon)
	k.must(err)
	slices.Sort(keys)
	for _, limit := range []int{1, 5, len(keys) - 1, len(keys), 100} {
		var got []string
		for after, more := "", true; more; {
			var page []store.Room
			page, more, err = k.OpenRooms(k.ctx, after, limit)
			k.must(err)
			if len(page) > limit || more && len(page) < limit {
				k.Fatalf("a page of %d has %d, and more is %v", limit, len(page), more)
			}
			for _, r := range page {
				got = append(got, r.Key)
				after = r.Key
			}
		}
		list(k, fmt.Sprint("in pages of ", limit), got, keys...)
	}
}

// order: keys of members and rooms are compared byte by byte, whatever the locale of the database.
func order(k *kit) {
	owner := k.user("owner")
	r := k.room(store.Open, "r", owner)
	keys := []string{"owner"}
	for _, key := range []string{"B", "a", "Ab", "ab", "ä", "z", "é", "_", "~", " x", "Ω", "𝔸"} {
		k.user(key)
		u, err := k.UserByKey(k.ctx, key)
		k.must(err)
		_, err = k.Join(k.ctx, r.ID, u.ID)
		k.must(err)
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, limit := range []int{1, 4, 100} {
		list(k, fmt.Sprint("in pages of ", limit), k.memberKeys(r, limit), keys...)
	}
}

// memberKeys pages through all members.
func (k *kit) memberKeys(r store.Room, limit int) (keys []string) {
	k.Helper()
	for after, more := "", true; more; {
		var page []store.User
		var err error
		page, more, err = k.Store.Members(k.ctx, r.ID, after, limit)
		k.must(err)
		if len(page) > limit || more && len(page) < limit {
			k.Fatalf("a page of %d has %d, and more is %v", limit, len(page), more)
		}
		for _, u := range page {
			keys = append(keys, u.Key)
			after = u.Key
		}
	}
	return keys
}
