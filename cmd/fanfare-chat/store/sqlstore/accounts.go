package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
)

func (s *Store) AddUser(ctx context.Context, u store.User) (added store.User, err error) {
	err = s.changing(ctx, func(tx session) error {
		if _, err := tx.do(lockUsers); err != nil {
			return err
		}
		if _, err := tx.do(addUser, u.Name, u.Key, u.Password, u.Moderator, millis(u.Created)); err != nil {
			return err
		}
		added, err = one(tx, scanUser, userByKey, u.Key)
		return err
	})
	if s.dialect.is(err, duplicate) {
		err = fmt.Errorf("%w: %q", store.ErrTaken, u.Name)
	}
	if err != nil {
		return store.User{}, err
	}
	return added, nil
}

func (s *Store) UserByKey(ctx context.Context, key string) (store.User, error) {
	return one(s.reading(ctx), scanUser, userByKey, key)
}

func scanUser(r row) (u store.User, err error) {
	created := int64(0)
	err = r.Scan(&u.ID, &u.Name, &u.Key, &u.Password, &u.Moderator, &created)
	u.Created = moment(created)
	return u, err
}

func (s *Store) AddLogin(ctx context.Context, l store.Login) error {
	err := s.changing(ctx, func(tx session) error {
		_, err := tx.do(addLogin, l.Hash[:], l.User, millis(l.Created), millis(l.Expires))
		return err
	})
	if s.dialect.is(err, dangling) {
		return fmt.Errorf("%w: user %d", store.ErrNotFound, l.User)
	}
	return err
}

func (s *Store) Login(ctx context.Context, hash [32]byte, now time.Time) (store.Login, store.User, error) {
	type found struct {
		store.Login
		store.User
	}
	f, err := one(s.reading(ctx), func(r row) (f found, err error) {
		created := int64(0)
		u := &f.User
		f.Login, err = scanLogin(r, &u.ID, &u.Name, &u.Key, &u.Password, &u.Moderator, &created)
		u.Created = moment(created)
		return f, err
	}, loginByHash, hash[:], millis(now))
	return f.Login, f.User, err
}

func (s *Store) RemoveLogin(ctx context.Context, hash [32]byte) error {
	return s.changing(ctx, func(tx session) error {
		n, err := tx.do(removeLogin, hash[:])
		if err == nil && n == 0 {
			return store.ErrNotFound
		}
		return err
	})
}

func (s *Store) ExpireLogins(ctx context.Context, now time.Time) (expired []store.Login, err error) {
	err = s.changing(ctx, func(tx session) (err error) {
		expired, err = all(tx, func(r row) (store.Login, error) { return scanLogin(r) }, expireLogins, millis(now))
		return err
	})
	if err != nil {
		return nil, err
	}
	return expired, nil
}

// scanLogin scans a login's columns, and those that follow.
func scanLogin(r row, more ...any) (l store.Login, err error) {
	var hash []byte
	var created, expires int64
	err = r.Scan(append([]any{&hash, &l.User, &created, &expires}, more...)...)
	copy(l.Hash[:], hash)
	l.Created, l.Expires = moment(created), moment(expires)
	return l, err
}
