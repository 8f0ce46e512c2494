package storetest

import (
	"errors"
	"fmt"
	"sync"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
)

// users: an account is found by exactly its key.
func users(k *kit) {
	want := store.User{Name: "Ada Lovelace ♥", Key: "ada lovelace", Password: "$argon2id$v=19$…", Created: noon}
	ada, err := k.AddUser(k.ctx, want)
	k.must(err)
	want.ID, want.Moderator = ada.ID, ada.Moderator
	same(k, "added", ada, want)
	found, err := k.UserByKey(k.ctx, "ada lovelace")
	k.must(err)
	same(k, "found", found, want)
	for _, key := range []string{"", "ada", "Ada Lovelace", "ada lovelace ", "ada_lovelace", "%"} {
		_, err := k.UserByKey(k.ctx, key)
		k.fails(fmt.Sprintf("user %q", key), err, store.ErrNotFound)
	}
	_, err = k.AddUser(k.ctx, store.User{Name: "ADA LOVELACE", Key: "ada lovelace", Created: noon})
	k.fails("a second one", err, store.ErrTaken)
	other, err := k.AddUser(k.ctx, store.User{Name: "ADA", Key: "ADA LOVELACE", Created: noon})
	k.must(err)
	if other.ID == ada.ID {
		k.Errorf("two users have ID %d", ada.ID)
	}
	found, err = k.UserByKey(k.ctx, "ada lovelace")
	k.must(err)
	same(k, "found after others", found, want)
}

// alike: no two users, and no two open rooms, have names that look the same.
func alike(k *kit) {
	add := func(name, key string) error {
		_, err := k.AddUser(k.ctx, store.User{Name: name, Key: key, Created: noon})
		return err
	}
	ada := k.user("owner")
	for _, c := range []struct {
		name, key string
		want      error
	}{
		{"olive", "olive", nil}, {"oIive", "oiive", store.ErrConfusable}, {"PACO", "paco", nil}, {"расо", "расо", store.ErrConfusable},
		{"Ian", "ian", nil}, {"Lan", "lan", nil}, {"lan", "lan", store.ErrTaken}, {"Tım", "tım", nil}, {"Tim", "tim", store.ErrConfusable},
	} {
		err := add(c.name, c.key)
		k.fails("user "+c.name, err, c.want)
		if c.want == store.ErrTaken && errors.Is(err, store.ErrConfusable) {
			k.Errorf("%s is taken, not only alike", c.name)
		}
		_, err = k.AddRoom(k.ctx, store.Room{Kind: store.Open, Name: c.name, Key: c.key, Owner: ada.ID, Created: noon})
		if want := c.want; want == nil {
			k.must(err)
		} else {
			k.fails("room "+c.name, err, store.ErrTaken)
		}
		_, err = k.AddRoom(k.ctx, store.Room{Kind: store.Private, Name: c.name, Key: c.key, Owner: ada.ID, Created: noon})
		k.must(err)
	}
}

// firstUser: the first is a moderator, and others are if they are said to be.
func firstUser(k *kit) {
	if !k.user("first").Moderator {
		k.Error("the first user is no moderator")
	}
	if k.user("second").Moderator {
		k.Error("the second user is a moderator")
	}
	u, err := k.AddUser(k.ctx, store.User{Name: "third", Key: "third", Moderator: true, Created: noon})
	k.must(err)
	found, err := k.UserByKey(k.ctx, "third")
	k.must(err)
	if !u.Moderator || !found.Moderator {
		k.Error("who was to be a moderator is none")
	}
}

// firstUserIsOne: of many that are added at once, one is the first, and one gets a name.
func firstUserIsOne(k *kit) {
	const tries = 8
	var mu sync.Mutex
	var wg sync.WaitGroup
	moderators, added := 0, 0
	for i := range 2 * tries {
		wg.Go(func() {
			name := fmt.Sprint("u", i%tries)
			u, err := k.AddUser(k.ctx, store.User{Name: name, Key: name, Created: noon})
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				k.fails("added twice", err, store.ErrTaken)
				return
			}
			added++
			if u.Moderator {
				moderators++
			}
		})
	}
	wg.Wait()
	same(k, "added", added, tries)
	same(k, "moderators", moderators, 1)
}
