package storetest

import (
	"errors"
	"fmt"
	"sync"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
)

// manyAtOnce: appliers whose changes are for the same rooms, in different orders, all
// come to an end, and leave numbers and revisions without gaps.
func manyAtOnce(k *kit) {
	const appliers, batches, size = 6, 8, 12
	ada := k.user("ada")
	var rooms []store.Room
	for i := range 3 {
		rooms = append(rooms, k.room(store.Private, fmt.Sprint("room ", i), ada))
	}
	var wg sync.WaitGroup
	for a := range appliers {
		u := k.user(fmt.Sprint("u", a))
		for _, r := range rooms {
			_, err := k.Invite(k.ctx, r.ID, ada.ID, u.ID)
			k.must(err)
		}
		wg.Go(func() {
			for b := range batches {
				var changes []store.Change
				for i := range size {
					r := rooms[(a+b+i*(1+a%2))%len(rooms)]
					changes = append(changes, store.Change{Op: store.Send, Room: r.ID, User: u.ID, ClientID: fmt.Sprint(b, ".", i), Text: "x", At: noon})
				}
				outcomes, err := k.Apply(k.ctx, changes)
				if err != nil {
					k.Error(err)
					return
				}
				for _, o := range outcomes {
					k.fails("sent", o.Err, nil)
				}
				if _, err := k.MarkRead(k.ctx, rooms[0].ID, u.ID, 1<<40); err != nil {
					k.Error(err)
				}
			}
		})
	}
	wg.Wait()
	total := 0
	for _, r := range rooms {
		all := k.history(r)
		total += len(all)
		for i, m := range all {
			if m.Number != int64(i)+1 || m.Rev != m.Number {
				k.Fatalf("message %d has number %d and revision %d", i, m.Number, m.Rev)
			}
		}
		p := k.place(r, ada)
		if p.Last != int64(len(all)) || p.Rev != p.Last {
			k.Errorf("of %d messages the last is %d, the revision %d", len(all), p.Last, p.Rev)
		}
	}
	same(k, "messages", total, appliers*batches*size)
}

// sameAtOnce: a message sent twice at the same time is stored once.
func sameAtOnce(k *kit) {
	ada := k.user("ada")
	r := k.room(store.Private, "room", ada)
	const ways, messages = 6, 10
	var mu sync.Mutex
	var wg sync.WaitGroup
	first := 0
	for range ways {
		wg.Go(func() {
			for i := range messages {
				outcomes, err := k.Apply(k.ctx, []store.Change{{Op: store.Send, Room: r.ID, User: ada.ID, ClientID: fmt.Sprint(i), Text: fmt.Sprint(i), At: noon}})
				if err != nil || outcomes[0].Err != nil || outcomes[0].Message.Text != fmt.Sprint(i) {
					k.Errorf("%+v, %v", outcomes, err)
					return
				}
				if !outcomes[0].Unchanged {
					mu.Lock()
					first++
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	same(k, "not again", first, messages)
	same(k, "there", len(k.history(r)), messages)
}

// leaveAtOnce: after a user has left, no message of theirs is stored.
func leaveAtOnce(k *kit) {
	ada, bob := k.user("ada"), k.user("bob")
	r := k.room(store.Private, "room", ada, bob)
	begun, left := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; i++ {
			gone := false
			select {
			case <-left:
				gone = true
			default:
			}
			outcomes, err := k.Apply(k.ctx, []store.Change{{Op: store.Send, Room: r.ID, User: bob.ID, ClientID: fmt.Sprint(i), Text: "x", At: noon}})
			if i == 0 {
				close(begun)
			}
			switch {
			case err != nil:
				k.Error(err)
				return
			case errors.Is(outcomes[0].Err, store.ErrForbidden):
				return
			case outcomes[0].Err != nil || gone:
				k.Errorf("has left: %v; sends: %v", gone, outcomes[0].Err)
				return
			}
		}
	})
	<-begun
	k.must(k.Store.Leave(k.ctx, r.ID, bob.ID))
	close(left)
	wg.Wait()
	same(k, "the last number", k.place(r, ada).Last, int64(len(k.history(r))))
}
