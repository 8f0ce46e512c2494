package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/text"
)

func (s *Store) AddUser(ctx context.Context, u store.User) (added store.User, err error) {
	look, plain := text.Skeleton(u.Name), text.Skeleton(u.Key)
	err = s.inTransaction(ctx, func(tx session) error {
		if _, err := tx.exec(lockUsers); err != nil {
			return err
		}
		if err := isFree(tx, &u, look, plain); err != nil {
			return err
		}
		if _, err := tx.exec(addUser, u.Name, u.Key, u.Password, u.Moderator, toMillis(u.Created), look, plain); err != nil {
			return err
		}
		added, err = queryRow(tx, scanUser, userByKey, u.Key)
		return err
	})
	if err != nil {
		return store.User{}, err
	}
	return added, nil
}

// isFree returns an error if the name of a user is taken.
func isFree(tx session, u *store.User, look, plain string) error {
	_, err := queryRow(tx, scanUser, userByKey, u.Key)
	if err == nil {
		return fmt.Errorf("%w: %q", store.ErrTaken, u.Name)
	}
	if errors.Is(err, store.ErrNotFound) {
		if _, err = queryRow(tx, scanID, userAlike, look, plain); err == nil {
			return fmt.Errorf("%w: %q", store.ErrConfusable, u.Name)
		}
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

func (s *Store) UserByKey(ctx context.Context, key string) (store.User, error) {
	return queryRow(s.reader(ctx), scanUser, userByKey, key)
}

func scanUser(r row) (u store.User, err error) {
	created := int64(0)
	err = r.Scan(&u.ID, &u.Name, &u.Key, &u.Password, &u.Moderator, &created)
	u.Created = fromMillis(created)
	return u, err
}

func (s *Store) AddLogin(ctx context.Context, l store.Login, most int) (ended []store.Login, err error) {
	err = s.inTransaction(ctx, func(tx session) error {
		_, err := tx.exec(addLogin, l.Hash[:], l.User, toMillis(l.Created), toMillis(l.Expires))
		if err != nil {
			return err
		}
		ended, err = queryAll(tx, func(r row) (store.Login, error) { return scanLogin(r) }, trimLogins, l.User, most-1, l.Hash[:])
		return err
	})
	if s.dialect.violates(err, missingReference) {
		err = fmt.Errorf("%w: user %d", store.ErrNotFound, l.User)
	}
	if err != nil {
		return nil, err
	}
	return ended, nil
}

func (s *Store) Login(ctx context.Context, hash [32]byte, now time.Time) (store.Login, store.User, error) {
	type found struct {
		store.Login
		store.User
	}
	f, err := queryRow(s.reader(ctx), func(r row) (f found, err error) {
		created := int64(0)
		u := &f.User
		f.Login, err = scanLogin(r, &u.ID, &u.Name, &u.Key, &u.Password, &u.Moderator, &created)
		u.Created = fromMillis(created)
		return f, err
	}, loginByHash, hash[:], toMillis(now))
	return f.Login, f.User, err
}

func (s *Store) RemoveLogin(ctx context.Context, hash [32]byte) error {
	return s.inTransaction(ctx, func(tx session) error {
		n, err := tx.exec(removeLogin, hash[:])
		if err == nil && n == 0 {
			return store.ErrNotFound
		}
		return err
	})
}

func (s *Store) SetPassword(ctx context.Context, user int64, was, password string, keep [32]byte) (ended []store.Login, err error) {
	err = s.inTransaction(ctx, func(tx session) error {
		n, err := tx.exec(setPassword, user, was, password)
		if err == nil && n == 0 {
			err = fmt.Errorf("%w: user %d with that password", store.ErrNotFound, user)
		}
		if err != nil {
			return err
		}
		ended, err = queryAll(tx, func(r row) (store.Login, error) { return scanLogin(r) }, endOtherLogins, user, keep[:])
		return err
	})
	if err != nil {
		return nil, err
	}
	return ended, nil
}

func (s *Store) ExpireLogins(ctx context.Context, now time.Time) (expired []store.Login, err error) {
	err = s.inTransaction(ctx, func(tx session) (err error) {
		expired, err = queryAll(tx, func(r row) (store.Login, error) { return scanLogin(r) }, expireLogins, toMillis(now))
		return err
	})
	if err != nil {
		return nil, err
	}
	return expired, nil
}

// scanLogin scans the columns of a login, and further ones.
func scanLogin(r row, more ...any) (l store.Login, err error) {
	var hash []byte
	var created, expires int64
	err = r.Scan(append([]any{&hash, &l.User, &created, &expires}, more...)...)
	copy(l.Hash[:], hash)
	l.Created, l.Expires = fromMillis(created), fromMillis(expires)
	return l, err
}
