// Package storetest has the tests that every store.Store must pass, and starts a PostgreSQL server for
// them.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
)

// Setup is a store under test.
type Setup struct {
	// Store is an empty store. The test closes it.
	Store store.Store
	// Reopen opens the store again after it has been closed. If it is nil, the tests that need it
	// are skipped.
	Reopen func(t testing.TB) store.Store
}

// patience bounds the duration of a test.
const patience = 60 * time.Second

// Run runs the tests. open returns a new Setup for each of them, and may clean up with t.
func Run(t *testing.T, open func(t testing.TB) Setup) {
	for _, c := range []struct {
		name string
		test func(*kit)
	}{
		{"Users", users},
		{"LooksAlike", alike},
		{"FirstUserIsModerator", firstUser},
		{"FirstUserIsOne", firstUserIsOne},
		{"Logins", logins},
		{"LoginsExpire", loginsExpire},
		{"LoginsAreLimited", loginsAreLimited},
		{"SetPassword", setPassword},
		{"Rooms", rooms},
		{"OpenRooms", openRooms},
		{"Direct", direct},
		{"DirectIsOne", directIsOne},
		{"Join", join},
		{"Invite", invite},
		{"Leave", leave},
		{"Members", members},
		{"Counts", counts},
		{"Memberships", memberships},
		{"Unread", unread},
		{"MarkRead", markRead},
		{"Send", send},
		{"SendAgain", sendAgain},
		{"Edit", edit},
		{"Delete", remove},
		{"Permissions", permissions},
		{"Moderator", moderator},
		{"AllAtOnce", allAtOnce},
		{"NothingOfAFailure", nothingOfAFailure},
		{"ManyAtOnce", manyAtOnce},
		{"SameAtOnce", sameAtOnce},
		{"LeaveAtOnce", leaveAtOnce},
		{"React", react},
		{"Before", before},
		{"Changed", changed},
		{"Search", search},
		{"SearchPages", searchPages},
		{"SearchFollows", searchFollows},
		{"SearchHasNoSyntax", searchHasNoSyntax},
		{"Times", times},
		{"Texts", texts},
		{"Order", order},
		{"Reopen", reopen},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			s := open(t)
			k := &kit{TB: t, Store: s.Store, ctx: ctx, reopen: s.Reopen}
			defer func() { // of the store that is open then
				if err := k.Store.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			}()
			c.test(k)
		})
	}
}

// kit is a test and its store.
type kit struct {
	testing.TB
	store.Store
	ctx    context.Context
	reopen func(t testing.TB) store.Store
	sent   int // numbers clients' names
}

// noon is the time at which each test starts.
var noon = time.Date(2026, 2, 3, 12, 0, 0, 0, time.UTC)

// user adds an account.
func (k *kit) user(name string) store.User {
	k.Helper()
	u, err := k.AddUser(k.ctx, store.User{Name: name, Key: name, Password: "hash of " + name, Created: noon})
	k.must(err)
	return u
}

// room adds a room with these members, the first of whom is its owner.
func (k *kit) room(kind store.Kind, name string, owner store.User, others ...store.User) store.Room {
	k.Helper()
	r, err := k.AddRoom(k.ctx, store.Room{Kind: kind, Name: name, Key: name, Owner: owner.ID, Created: noon})
	k.must(err)
	for _, u := range others {
		added, err := k.Invite(k.ctx, r.ID, owner.ID, u.ID)
		k.must(err)
		if !added {
			k.Fatalf("%s has not been added to %s", u.Name, name)
		}
	}
	return r
}

// apply makes changes, and fails the test unless Apply succeeds. The outcomes may have errors.
func (k *kit) apply(changes ...store.Change) []store.Outcome {
	k.Helper()
	outcomes, err := k.Apply(k.ctx, changes)
	k.must(err)
	if len(outcomes) != len(changes) {
		k.Fatalf("%d changes have %d outcomes", len(changes), len(outcomes))
	}
	return outcomes
}

// says sends a message, and returns it.
func (k *kit) says(r store.Room, u store.User, text string) store.Message {
	k.Helper()
	o := k.apply(k.message(r, u, text))[0]
	k.must(o.Err)
	return o.Message
}

// message returns a change that sends a message, with an ID of its own.
func (k *kit) message(r store.Room, u store.User, text string) store.Change {
	k.sent++
	return store.Change{Op: store.Send, Room: r.ID, User: u.ID, ClientID: fmt.Sprint("c", k.sent), Text: text, At: noon.Add(time.Duration(k.sent) * time.Second)}
}

func (k *kit) place(r store.Room, u store.User) store.Membership {
	k.Helper()
	p, err := k.Membership(k.ctx, r.ID, u.ID)
	k.must(err)
	return p
}

// history returns all messages of a room.
func (k *kit) history(r store.Room) []store.Message {
	k.Helper()
	all, more, err := k.MessagesBefore(k.ctx, r.ID, 0, 1e6)
	k.must(err)
	if more {
		k.Fatal("the room has more than a million messages")
	}
	return all
}

func (k *kit) must(err error) {
	k.Helper()
	if err != nil {
		k.Fatal(err)
	}
}

// fails checks that an error wraps want, or is nil if want is nil.
func (k *kit) fails(what string, err, want error) {
	k.Helper()
	if !errors.Is(err, want) {
		k.Errorf("%s: %v, want %v", what, err, want)
	}
}

// same checks that two values are equal.
func same[T comparable](k *kit, what string, got, want T) {
	k.Helper()
	if got != want {
		k.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

// list checks that got has the values of want, in this order.
func list[T comparable](k *kit, what string, got []T, want ...T) {
	k.Helper()
	for i := 0; i < len(got) && i < len(want); i++ {
		same(k, fmt.Sprintf("%s: the one at %d", what, i), got[i], want[i])
	}
	if len(got) != len(want) {
		k.Errorf("%s: got %d values, want %d: %+v", what, len(got), len(want), got)
	}
}
