package sqlstore

import (
	"context"
	"fmt"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
)

func (s *Store) Join(ctx context.Context, room, user int64) (p store.Membership, err error) {
	err = s.inTransaction(ctx, func(tx session) error {
		if _, err := tx.exec(addMember, room, user); err != nil {
			return err
		}
		if p, err = queryRow(tx, scanMembership, membershipByRoom, room, user); err != nil {
			return err
		}
		if p.Kind != store.Open {
			return fmt.Errorf("%w: open room %d", store.ErrNotFound, room)
		}
		return nil
	})
	if err != nil {
		return store.Membership{}, err
	}
	return p, nil
}

func (s *Store) Invite(ctx context.Context, room, by, user int64) (added bool, err error) {
	err = s.inTransaction(ctx, func(tx session) error {
		p, err := queryRow(tx, scanMembership, membershipByRoom, room, by)
		if err != nil {
			return err
		}
		if p.Kind == store.Direct {
			return fmt.Errorf("%w: room %d is of two users", store.ErrForbidden, room)
		}
		n, err := tx.exec(addMember, room, user)
		if added = n > 0; added || err != nil {
			return err
		}
		_, err = queryRow(tx, scanMembership, membershipByRoom, room, user) // fails if there is no such user
		return err
	})
	return added && err == nil, err
}

func (s *Store) Leave(ctx context.Context, room, user int64) error {
	return s.inTransaction(ctx, func(tx session) error {
		p, err := queryRow(tx, scanMembership, membershipByRoom, room, user)
		if err != nil {
			return err
		}
		if p.Kind == store.Direct {
			return fmt.Errorf("%w: room %d is of two users", store.ErrForbidden, room)
		}
		n, err := tx.exec(removeMember, room, user)
		if err == nil && n == 0 { // the user has left at the same time
			return store.ErrNotFound
		}
		return err
	})
}

func (s *Store) Membership(ctx context.Context, room, user int64) (store.Membership, error) {
	return queryRow(s.reader(ctx), scanMembership, membershipByRoom, room, user)
}

func (s *Store) Memberships(ctx context.Context, user int64) ([]store.Membership, error) {
	return queryAll(s.reader(ctx), scanMembership, membershipsByUser, user)
}

func (s *Store) Members(ctx context.Context, room int64, after string, limit int) ([]store.User, bool, error) {
	return queryPage(s.reader(ctx), func(r row) (u store.User, err error) {
		return u, r.Scan(&u.ID, &u.Name, &u.Key)
	}, limit, membersByKey, room, after)
}

func (s *Store) Counts(ctx context.Context, room, user int64) (members, rooms int, err error) {
	n, err := queryRow(s.reader(ctx), func(r row) (n [2]int, err error) {
		err = r.Scan(&n[0], &n[1])
		return n, err
	}, counts, room, user)
	return n[0], n[1], err
}

func (s *Store) MarkRead(ctx context.Context, room, user, number int64) (read int64, err error) {
	err = s.inTransaction(ctx, func(tx session) error {
		p, err := queryRow(tx, scanMembership, membershipByRoom, room, user)
		if read = max(p.Read, min(number, p.Last)); err != nil || read == p.Read {
			return err
		}
		n, err := tx.exec(markRead, room, user, read)
		if err == nil && n == 0 { // another request has marked more as read at the same time
			p, err = queryRow(tx, scanMembership, membershipByRoom, room, user)
			read = p.Read
		}
		return err
	})
	return read, err
}

func scanMembership(r row) (p store.Membership, err error) {
	p.Room, err = scanRoomAnd(r, &p.Read, &p.With.ID, &p.With.Name)
	return p, err
}
