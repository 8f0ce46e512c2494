package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
)

// Apply makes changes in one transaction. It reads and writes the counters and memberships of the rooms
// once for all changes.
func (s *Store) Apply(ctx context.Context, changes []store.Change) ([]store.Outcome, error) {
	outcomes := make([]store.Outcome, len(changes))
	err := s.inTransaction(ctx, func(tx session) error {
		b := batch{session: tx, rooms: make(map[int64]*counters), actors: make(map[[2]int64]*actor)}
		if err := b.lock(changes); err != nil {
			return err
		}
		for i := range changes {
			o := &outcomes[i]
			o.Message, o.Unchanged, o.Err = b.apply(&changes[i])
			if o.Err == nil {
				continue
			}
			if !errors.Is(o.Err, store.ErrForbidden) && !errors.Is(o.Err, store.ErrNotFound) {
				return o.Err
			}
			*o = store.Outcome{Err: o.Err}
		}
		return b.finish()
	})
	if err != nil {
		return nil, err
	}
	return outcomes, nil
}

// batch is the state of an Apply.
type batch struct {
	session
	rooms  map[int64]*counters
	actors map[[2]int64]*actor // by room and user; nil if the user is not a member
}

type counters struct {
	last, rev int64
	dirty     bool
}

type actor struct {
	name      string
	moderator bool
	read      int64
	dirty     bool
}

// lock locks the rooms of the changes for this transaction, in the order of their IDs: see doc.go.
func (b *batch) lock(changes []store.Change) error {
	var ids []int64
	for i := range changes {
		ids = append(ids, changes[i].Room)
	}
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		room, err := queryRow(b.session, func(r row) (*counters, error) {
			c := new(counters)
			return c, r.Scan(&c.last, &c.rev)
		}, lockRoom, id)
		if errors.Is(err, store.ErrNotFound) {
			continue // a room that does not exist has no members
		}
		if err != nil {
			return err
		}
		b.rooms[id] = room
	}
	return nil
}

func (b *batch) apply(c *store.Change) (store.Message, bool, error) {
	who, err := b.actor(c.Room, c.User)
	if err != nil {
		return store.Message{}, false, err
	}
	if who == nil {
		return store.Message{}, false, fmt.Errorf("%w: user %d is not in room %d", store.ErrForbidden, c.User, c.Room)
	}
	switch c.Op {
	case store.Send:
		return b.send(c, who)
	case store.Edit:
		return b.edit(c)
	case store.Delete:
		return b.delete(c, who)
	case store.React, store.Unreact:
		return b.react(c)
	}
	return store.Message{}, false, fmt.Errorf("sqlstore: unknown operation %d", c.Op)
}

// actor returns a user as a member of a room, or nil if the user is not a member.
func (b *batch) actor(room, user int64) (*actor, error) {
	key := [2]int64{room, user}
	if who, ok := b.actors[key]; ok {
		return who, nil
	}
	who, err := queryRow(b.session, func(r row) (*actor, error) {
		a := new(actor)
		return a, r.Scan(&a.name, &a.moderator, &a.read)
	}, lockActor, room, user)
	if errors.Is(err, store.ErrNotFound) {
		who, err = nil, nil
	}
	b.actors[key] = who
	return who, err
}

func (b *batch) send(c *store.Change, who *actor) (store.Message, bool, error) {
	room := b.rooms[c.Room]
	m := store.Message{
		Room: c.Room, Number: room.last + 1, Rev: room.rev + 1, Author: c.User, Name: who.name,
		ClientID: c.ClientID, Text: c.Text, Sent: fromMillis(toMillis(c.At)),
	}
	n, err := b.exec(addMessage, m.Room, m.Number, m.Rev, m.Author, m.ClientID, m.Text, toMillis(m.Sent))
	if err != nil {
		return m, false, err
	}
	if n == 0 {
		m, err = queryRow(b.session, scanMessage, messageByClient, c.Room, c.User, c.ClientID)
		return m, true, err
	}
	room.last, room.rev, room.dirty = m.Number, m.Rev, true
	who.read, who.dirty = m.Number, true
	return m, false, b.index(&m)
}

func (b *batch) edit(c *store.Change) (store.Message, bool, error) {
	m, err := b.message(c)
	if err != nil {
		return m, false, err
	}
	switch {
	case m.Deleted:
		return m, false, fmt.Errorf("%w: message %d is deleted", store.ErrNotFound, c.Number)
	case m.Author != c.User:
		return m, false, fmt.Errorf("%w: message %d is another user's", store.ErrForbidden, c.Number)
	case m.Text == c.Text:
		return m, true, nil
	}
	m.Text, m.Edited = c.Text, fromMillis(toMillis(c.At))
	return m, false, b.saveText(&m)
}

func (b *batch) delete(c *store.Change, who *actor) (store.Message, bool, error) {
	m, err := b.message(c)
	if err != nil {
		return m, false, err
	}
	if m.Author != c.User && !who.moderator {
		return m, false, fmt.Errorf("%w: message %d is another user's", store.ErrForbidden, c.Number)
	}
	if m.Deleted {
		return m, true, nil
	}
	m.Text, m.Reactions, m.Deleted = "", "", true
	return m, false, b.saveText(&m)
}

func (b *batch) message(c *store.Change) (store.Message, error) {
	m, err := queryRow(b.session, scanMessage, messageByNumber, c.Room, c.Number)
	if errors.Is(err, store.ErrNotFound) {
		err = fmt.Errorf("%w: message %d in room %d", store.ErrNotFound, c.Number, c.Room)
	}
	return m, err
}

// saveText saves a message whose text has changed.
func (b *batch) saveText(m *store.Message) error {
	if err := b.saveRevision(m); err != nil {
		return err
	}
	return b.index(m)
}

// saveRevision gives a message the room's next revision, and saves it.
func (b *batch) saveRevision(m *store.Message) error {
	room := b.rooms[m.Room]
	room.rev++
	room.dirty, m.Rev = true, room.rev
	_, err := b.exec(changeMessage, m.Room, m.Number, m.Rev, m.Text, toMillis(m.Edited), m.Deleted, string(m.Reactions))
	return err
}

// index updates the search index for the present text of a message.
func (b *batch) index(m *store.Message) (err error) {
	words := indexedWords(m.Room, m.Text)
	if len(words) == 0 {
		_, err = b.exec(unindexWords, entry(m.Room, m.Number))
	} else {
		_, err = b.exec(indexWords, entry(m.Room, m.Number), strings.Join(words, " "))
	}
	return err
}

// finish writes the counters that the changes have modified.
func (b *batch) finish() error {
	for id, room := range b.rooms {
		if room.dirty {
			if _, err := b.exec(updateRoom, id, room.last, room.rev); err != nil {
				return err
			}
		}
	}
	for key, who := range b.actors {
		if who != nil && who.dirty {
			if _, err := b.exec(markRead, key[0], key[1], who.read); err != nil {
				return err
			}
		}
	}
	return nil
}
