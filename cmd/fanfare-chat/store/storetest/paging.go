package storetest

import (
	"fmt"
	"slices"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
)

// talk sends n messages to a room, with as many to another in between.
func (k *kit) talk(n int) (r store.Room, u store.User, all []store.Message) {
	k.Helper()
	u = k.user("ada")
	r, other := k.room(store.Private, "room", u), k.room(store.Private, "other", u)
	var changes []store.Change
	for i := range n {
		changes = append(changes, k.message(r, u, fmt.Sprint("message ", i+1)), k.message(other, u, fmt.Sprint("other ", i+1)))
	}
	for i, o := range k.apply(changes...) {
		k.must(o.Err)
		if i%2 == 0 {
			all = append(all, o.Message)
		}
	}
	return r, u, all
}

// before: pages go backwards, and the messages of each page are in ascending order.
func before(k *kit) {
	r, _, all := k.talk(25)
	for _, limit := range []int{1, 7, 24, 25, 26} {
		var got []store.Message
		for number, more := int64(0), true; more; {
			page, next, err := k.MessagesBefore(k.ctx, r.ID, number, limit)
			k.must(err)
			if len(page) == 0 || len(page) > limit || next && len(page) < limit {
				k.Fatalf("a page with limit %d has %d messages, more %v", limit, len(page), next)
			}
			got = append(slices.Clone(page), got...)
			number, more = page[0].Number, next
		}
		list(k, fmt.Sprint("in pages of ", limit), got, all...)
	}
	for _, c := range []struct {
		room, number int64
		want         []store.Message
		more         bool
	}{
		{r.ID, 1, nil, false}, {r.ID, 2, all[:1], false}, {r.ID, 5, all[1:4], true},
		{r.ID, 1 << 50, all[22:], true}, {r.ID, -1, nil, false}, {r.ID + 1000, 0, nil, false},
	} {
		page, more, err := k.MessagesBefore(k.ctx, c.room, c.number, 3)
		k.must(err)
		list(k, fmt.Sprint("before ", c.number), page, c.want...)
		same(k, fmt.Sprint("more before ", c.number), more, c.more)
	}
}

// changed: pages go forwards, with each message once in its present form.
func changed(k *kit) {
	r, u, all := k.talk(20)
	for _, c := range []store.Change{
		{Op: store.Edit, Number: 3, Text: "edited"}, {Op: store.Delete, Number: 18}, {Op: store.Edit, Number: 3, Text: "edited twice"},
		{Op: store.Edit, Number: 20, Text: "the last"}, {Op: store.Delete, Number: 1},
	} {
		c.Room, c.User, c.At = r.ID, u.ID, noon
		o := k.apply(c)[0]
		k.must(o.Err)
		all[c.Number-1] = o.Message
	}
	byRev := func(a, b store.Message) int { return int(a.Rev - b.Rev) }
	want := slices.SortedFunc(slices.Values(all), byRev)
	same(k, "the last revision", want[19].Rev, 25)
	for _, limit := range []int{1, 6, 19, 20, 100} {
		var got []store.Message
		for rev, more := int64(0), true; more; {
			page, next, err := k.MessagesChangedAfter(k.ctx, r.ID, rev, limit)
			k.must(err)
			if len(page) == 0 || len(page) > limit || next && len(page) < limit {
				k.Fatalf("a page with limit %d has %d messages, more %v", limit, len(page), next)
			}
			got = append(got, page...)
			rev, more = page[len(page)-1].Rev, next
		}
		list(k, fmt.Sprint("in pages of ", limit), got, want...)
	}
	for _, c := range []struct {
		room, rev int64
		want      []store.Message
	}{{r.ID, 25, nil}, {r.ID, 24, want[19:]}, {r.ID, 20, want[16:]}, {r.ID, 1 << 50, nil}, {r.ID + 1000, 0, nil}} {
		page, more, err := k.MessagesChangedAfter(k.ctx, c.room, c.rev, 10)
		k.must(err)
		list(k, fmt.Sprint("after ", c.rev), page, c.want...)
		same(k, fmt.Sprint("more after ", c.rev), more, false)
	}
}
