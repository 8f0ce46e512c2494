package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/text"
)

func (s *Store) AddRoom(ctx context.Context, r store.Room) (store.Room, error) {
	if r.Kind != store.Open && r.Kind != store.Private {
		return store.Room{}, fmt.Errorf("sqlstore: the kind of a room is %d; it must be open or private, and DirectRoom creates direct rooms", r.Kind)
	}
	created := toMillis(r.Created)
	r.Created, r.Last, r.Rev = fromMillis(created), 0, 0
	err := s.inTransaction(ctx, func(tx session) (err error) {
		look, plain := looksOf(r)
		r.ID, err = queryRow(tx, scanID, addRoom, int64(r.Kind), r.Name, r.Key, r.Owner, created, look, plain)
		if err != nil {
			return err
		}
		_, err = tx.exec(addMember, r.ID, r.Owner)
		return err
	})
	switch {
	case s.dialect.violates(err, duplicate):
		return store.Room{}, fmt.Errorf("%w: %q", store.ErrTaken, r.Name)
	case s.dialect.violates(err, missingReference):
		return store.Room{}, fmt.Errorf("%w: user %d", store.ErrNotFound, r.Owner)
	case err != nil:
		return store.Room{}, err
	}
	return r, nil
}

// looksOf returns the skeletons that must be unique among open rooms. They are null for other rooms.
func looksOf(r store.Room) (look, plain sql.NullString) {
	if r.Kind == store.Open {
		look = sql.NullString{String: text.Skeleton(r.Name), Valid: true}
		plain = sql.NullString{String: text.Skeleton(r.Key), Valid: true}
	}
	return look, plain
}

func (s *Store) DirectRoom(ctx context.Context, a, b int64, now time.Time) (r store.Room, made bool, err error) {
	low, high := min(a, b), max(a, b)
	r, err = queryRow(s.reader(ctx), scanRoom, directRoom, low, high)
	if !errors.Is(err, store.ErrNotFound) {
		return r, false, err
	}
	err = s.inTransaction(ctx, func(tx session) error {
		id, err := queryRow(tx, scanID, addDirect, a, toMillis(now), low, high)
		switch {
		case err == nil:
			made = true
			for _, user := range []int64{low, high} { // has no effect the second time if both are the same user
				if _, err := tx.exec(addMember, id, user); err != nil {
					return err
				}
			}
		case !errors.Is(err, store.ErrNotFound): // another transaction has created the room
			return err
		}
		r, err = queryRow(tx, scanRoom, directRoom, low, high)
		return err
	})
	if s.dialect.violates(err, missingReference) {
		err = fmt.Errorf("%w: users %d and %d", store.ErrNotFound, a, b)
	}
	if err != nil {
		return store.Room{}, false, err
	}
	return r, made, nil
}

func (s *Store) OpenRooms(ctx context.Context, after string, limit int) ([]store.Room, bool, error) {
	return queryPage(s.reader(ctx), scanRoom, limit, openRooms, after)
}

func scanID(r row) (id int64, err error) { return id, r.Scan(&id) }

func scanRoom(r row) (store.Room, error) {
	return scanRoomAnd(r)
}

// scanRoomAnd scans the columns of a room, and further ones.
func scanRoomAnd(r row, more ...any) (room store.Room, err error) {
	created := int64(0)
	err = r.Scan(append([]any{&room.ID, &room.Kind, &room.Name, &room.Key, &room.Owner, &created, &room.Last, &room.Rev}, more...)...)
	room.Created = fromMillis(created)
	return room, err
}
