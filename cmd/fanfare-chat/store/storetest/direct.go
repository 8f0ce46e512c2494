package storetest

import (
	"sync"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
)

// direct: two users have one direct room, whichever of them requests it, and each sees the other.
func direct(k *kit) {
	ada, bob, eve := k.user("ada"), k.user("bob"), k.user("eve")
	r, made, err := k.DirectRoom(k.ctx, bob.ID, ada.ID, noon)
	k.must(err)
	same(k, "made", made, true)
	same(k, "it", r, store.Room{ID: r.ID, Kind: store.Direct, Owner: bob.ID, Created: noon})
	for range 2 {
		again, made, err := k.DirectRoom(k.ctx, ada.ID, bob.ID, noon)
		k.must(err)
		same(k, "made again", made, false)
		same(k, "it again", again, r)
	}
	same(k, "ada's place", k.place(r, ada), store.Membership{Room: r, With: store.User{ID: bob.ID, Name: bob.Name}})
	same(k, "bob's place", k.place(r, bob), store.Membership{Room: r, With: store.User{ID: ada.ID, Name: ada.Name}})

	self, made, err := k.DirectRoom(k.ctx, ada.ID, ada.ID, noon)
	k.must(err)
	same(k, "made with oneself", made, true)
	same(k, "the place", k.place(self, ada), store.Membership{Room: self, With: store.User{ID: ada.ID, Name: ada.Name}})
	list(k, "who is there", k.memberKeys(self, 10), "ada")

	_, err = k.Membership(k.ctx, r.ID, eve.ID)
	k.fails("a third's place", err, store.ErrNotFound)
	_, err = k.Join(k.ctx, r.ID, eve.ID)
	k.fails("a third joins", err, store.ErrNotFound)
	_, err = k.Invite(k.ctx, r.ID, ada.ID, eve.ID)
	k.fails("a third is invited", err, store.ErrForbidden)
	k.fails("one leaves", k.Store.Leave(k.ctx, r.ID, ada.ID), store.ErrForbidden)
	list(k, "who is there still", k.memberKeys(r, 10), "ada", "bob")
	_, made, err = k.DirectRoom(k.ctx, ada.ID, eve.ID+1000, noon)
	k.fails("with nobody", err, store.ErrNotFound)
	same(k, "made with nobody", made, false)
	same(k, "ada's rooms", len(k.membershipsOf(ada)), 2)
}

// directIsOne: concurrent requests create only one direct room.
func directIsOne(k *kit) {
	ada, bob := k.user("ada"), k.user("bob")
	var mu sync.Mutex
	var wg sync.WaitGroup
	made, ids := 0, make(map[int64]bool)
	for i := range 12 {
		wg.Go(func() {
			a, b := ada.ID, bob.ID
			if i%2 == 0 {
				a, b = b, a
			}
			r, is, err := k.DirectRoom(k.ctx, a, b, noon)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				k.Error(err)
			}
			if ids[r.ID] = true; is {
				made++
			}
		})
	}
	wg.Wait()
	same(k, "made", made, 1)
	same(k, "rooms", len(ids), 1)
}
