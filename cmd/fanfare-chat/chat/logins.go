package chat

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
	"github.com/fanfare-ws/fanfare/hub"
)

// What connections and subscriptions are closed with, from the range of libraries (RFC
// 6455, 7.4.2) and from that of private use, after 403 of HTTP.
var (
	loggedOut = hub.CloseReason{Code: 3000, Text: "logged out"}
	removed   = hub.CloseReason{Code: 4403, Text: "you are not in this room any more"}
)

// leave takes a user out of a room, and ends what they hear of it.
func (c *Chat) leave(ctx context.Context, room, user int64) error {
	if err := c.store.Leave(ctx, room, user); err != nil {
		return err
	}
	is := func(s hub.Subscriber) bool {
		switch s := s.(type) {
		case *hub.Member:
			return identityOf(s).id == user
		case *roomConn:
			return s.user == user
		}
		return false
	}
	c.hub.DisconnectIf(roomTopic(room), is, removed)
	c.hub.DisconnectIf(hereTopic(room), is, removed)
	c.notifyRoomsChanged(user)
	return nil
}

// closeLogin closes all connections of a login that is not in the store any more. Those of
// pages are found by the user's own topic, the others by the rooms that they can be in.
func (c *Chat) closeLogin(ctx context.Context, user int64, hash [32]byte) error {
	c.ended.add(hash, c.opts.Now())
	c.hub.DisconnectIf(hub.UserTopic(userName(user)), func(s hub.Subscriber) bool {
		m, ok := s.(*hub.Member)
		return ok && identityOf(m).login == hash
	}, loggedOut)
	places, err := c.store.Memberships(ctx, user)
	if err != nil {
		return err
	}
	login := short(hash)
	for _, p := range places {
		c.hub.DisconnectIf(roomTopic(p.ID), func(s hub.Subscriber) bool {
			rc, ok := s.(*roomConn)
			return ok && rc.user == user && rc.login == login
		}, loggedOut)
	}
	return nil
}

// closeLogins is closeLogin for each of several; an error of one keeps none of the others open.
func (c *Chat) closeLogins(ctx context.Context, logins []store.Login) (err error) {
	for _, l := range logins {
		err = errors.Join(err, c.closeLogin(ctx, l.User, l.Hash))
	}
	return err
}

// endedLoginTTL is for how long a login that has ended is remembered: longer than a
// handshake that has seen it can last.
const endedLoginTTL = time.Minute

// endedLogins are the logins that have just ended. Its zero value is ready, its methods are
// safe from any goroutine.
type endedLogins struct {
	mu  sync.RWMutex
	all map[uint64]time.Time // by the first bytes of their hash: when they ended
}

func (e *endedLogins) add(hash [32]byte, now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.all == nil {
		e.all = make(map[uint64]time.Time)
	}
	for login, at := range e.all {
		if now.Sub(at) > endedLoginTTL {
			delete(e.all, login)
		}
	}
	e.all[short(hash)] = now
}

func (e *endedLogins) has(hash [32]byte) bool { return e.hasShort(short(hash)) }

func (e *endedLogins) hasShort(login uint64) bool {
	e.mu.RLock()
	defer e.mu.RUnlock()
	_, ok := e.all[login]
	return ok
}
