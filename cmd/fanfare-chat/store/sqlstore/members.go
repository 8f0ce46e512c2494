package sqlstore

import (
	"context"
	"fmt"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
)

func (s *Store) Join(ctx context.Context, room, user int64) (p store.Place, err error) {
	err = s.changing(ctx, func(tx session) error {
		if _, err := tx.do(addMember, room, user); err != nil {
			return err
		}
		if p, err = one(tx, scanPlace, placeByRoom, room, user); err != nil {
			return err
		}
		if p.Kind != store.Open {
			return fmt.Errorf("%w: open room %d", store.ErrNotFound, room)
		}
		return nil
	})
	if err != nil {
		return store.Place{}, err
	}
	return p, nil
}

func (s *Store) Invite(ctx context.Context, room, by, user int64) (added bool, err error) {
	err = s.changing(ctx, func(tx session) error {
		p, err := one(tx, scanPlace, placeByRoom, room, by)
		if err != nil {
			return err
		}
		if p.Kind == store.Direct {
			return fmt.Errorf("%w: room %d is of two users", store.ErrForbidden, room)
		}
		n, err := tx.do(addMember, room, user)
		if added = n > 0; added || err != nil {
			return err
		}
		_, err = one(tx, scanPlace, placeByRoom, room, user) // is there such a user?
		return err
	})
	return added && err == nil, err
}

func (s *Store) Leave(ctx context.Context, room, user int64) error {
	return s.changing(ctx, func(tx session) error {
		p, err := one(tx, scanPlace, placeByRoom, room, user)
		if err != nil {
			return err
		}
		if p.Kind == store.Direct {
			return fmt.Errorf("%w: room %d is of two users", store.ErrForbidden, room)
		}
		n, err := tx.do(removeMember, room, user)
		if err == nil && n == 0 { // left at the same time
			return store.ErrNotFound
		}
		return err
	})
}

func (s *Store) Place(ctx context.Context, room, user int64) (store.Place, error) {
	return one(s.reading(ctx), scanPlace, placeByRoom, room, user)
}

func (s *Store) Places(ctx context.Context, user int64) ([]store.Place, error) {
	return all(s.reading(ctx), scanPlace, placesByUser, user)
}

func (s *Store) Members(ctx context.Context, room int64, after string, limit int) ([]store.User, bool, error) {
	return page(s.reading(ctx), func(r row) (u store.User, err error) {
		return u, r.Scan(&u.ID, &u.Name, &u.Key)
	}, limit, membersByKey, room, after)
}

func (s *Store) Counts(ctx context.Context, room, user int64) (members, rooms int, err error) {
	n, err := one(s.reading(ctx), func(r row) (n [2]int, err error) {
		err = r.Scan(&n[0], &n[1])
		return n, err
	}, counts, room, user)
	return n[0], n[1], err
}

func (s *Store) MarkRead(ctx context.Context, room, user, number int64) (read int64, err error) {
	err = s.changing(ctx, func(tx session) error {
		p, err := one(tx, scanPlace, placeByRoom, room, user)
		if read = max(p.Read, min(number, p.Last)); err != nil || read == p.Read {
			return err
		}
		n, err := tx.do(markRead, room, user, read)
		if err == nil && n == 0 { // at the same time they have read further
			p, err = one(tx, scanPlace, placeByRoom, room, user)
			read = p.Read
		}
		return err
	})
	return read, err
}

func scanPlace(r row) (p store.Place, err error) {
	p.Room, err = scanRoomAnd(r, &p.Read, &p.With.ID, &p.With.Name)
	return p, err
}
