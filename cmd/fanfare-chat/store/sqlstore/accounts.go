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
	err = s.changing(ctx, func(tx session) error {
		if _, err := tx.do(lockUsers); err != nil {
			return err
		}
		if err := isFree(tx, &u, look, plain); err != nil {
			return err
		}
		if _, err := tx.do(addUser, u.Name, u.Key, u.Password, u.Moderator, millis(u.Created), look, plain); err != nil {
			return err
		}
		added, err = one(tx, scanUser, userByKey, u.Key)
		return err
	})
	if err != nil {
		return store.User{}, err
	}
	return added, nil
}

// isFree reports whether the name of a user is taken.
func isFree(tx session, u *store.User, look, plain string) error {
	_, err := one(tx, scanUser, userByKey, u.Key)
	if err == nil {
		return fmt.Errorf("%w: %q", store.ErrTaken, u.Name)
	}
	if errors.Is(err, store.ErrNotFound) {
		if _, err = one(tx, scanID, userAlike, look, plain); err == nil {
			return fmt.Errorf("%w: %q", store.ErrAlike, u.Name)
		}
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
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

func (s *Store) AddLogin(ctx context.Context, l store.Login, most int) (ended []store.Login, err error) {
	err = s.changing(ctx, func(tx session) error {
		_, err := tx.do(addLogin, l.Hash[:], l.User, millis(l.Created), millis(l.Expires))
		if err != nil {
			return err
		}
		ended, err = all(tx, func(r row) (store.Login, error) { return scanLogin(r) }, trimLogins, l.User, most-1, l.Hash[:])
		return err
	})
	if s.dialect.is(err, dangling) {
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

func (s *Store) SetPassword(ctx context.Context, user int64, was, password string, keep [32]byte) (ended []store.Login, err error) {
	err = s.changing(ctx, func(tx session) error {
		n, err := tx.do(setPassword, user, was, password)
		if err == nil && n == 0 {
			err = fmt.Errorf("%w: user %d with that password", store.ErrNotFound, user)
		}
		if err != nil {
			return err
		}
		ended, err = all(tx, func(r row) (store.Login, error) { return scanLogin(r) }, endOtherLogins, user, keep[:])
		return err
	})
	if err != nil {
		return nil, err
	}
	return ended, nil
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
