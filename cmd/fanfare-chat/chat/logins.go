package chat

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
	"github.com/fanfare-ws/fanfare/hub"
)

// Reasons to close connections and subscriptions. The codes are 3000 from the IANA registry, and one of the
// private range (RFC 6455, section 7.4.2) after HTTP's 403.
var (
	loggedOut = hub.CloseReason{Code: 3000, Text: "the login has ended"}
	removed   = hub.CloseReason{Code: 4403, Text: "you are no longer a member of this room"}
)

// leave ends a user's membership of a room, and their subscriptions to it.
func (c *Chat) leave(ctx context.Context, room, user int64) error {
	if err := c.store.Leave(ctx, room, user); err != nil {
		return err
	}
	c.everywhere(order{User: user, Rooms: []int64{room}, Leave: true})
	c.notifyRoomsChanged(user)
	return nil
}

// closeMembership ends a user's subscriptions to a room at this node.
func (c *Chat) closeMembership(room, user int64) {
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
}

// closeLogin closes all connections of a login that is no longer in the store. It finds those of pages
// by the user's own topic, and the others by the user's rooms.
func (c *Chat) closeLogin(ctx context.Context, user int64, hash [32]byte) error {
	places, err := c.store.Memberships(ctx, user)
	what := order{User: user, Login: hash}
	for _, p := range places {
		what.Rooms = append(what.Rooms, p.ID)
	}
	c.everywhere(what)
	return err
}

// closeConns closes the connections of a login at this node.
func (c *Chat) closeConns(what order) {
	c.ended.add(what.Login, c.opts.Now())
	c.hub.DisconnectIf(hub.UserTopic(userName(what.User)), func(s hub.Subscriber) bool {
		m, ok := s.(*hub.Member)
		return ok && identityOf(m).login == what.Login
	}, loggedOut)
	login := short(what.Login)
	for _, room := range what.Rooms {
		c.hub.DisconnectIf(roomTopic(room), func(s hub.Subscriber) bool {
			rc, ok := s.(*roomConn)
			return ok && rc.user == what.User && rc.login == login
		}, loggedOut)
	}
}

// closeLogins calls closeLogin for each login, even after an error.
func (c *Chat) closeLogins(ctx context.Context, logins []store.Login) (err error) {
	for _, l := range logins {
		err = errors.Join(err, c.closeLogin(ctx, l.User, l.Hash))
	}
	return err
}

// endedLoginTTL is how long an ended login is remembered: longer than the duration of a handshake that
// may have found it in the store.
const endedLoginTTL = time.Minute

// endedLogins is the set of recently ended logins. The zero value is ready to use. Its methods may be
// called from any goroutine.
type endedLogins struct {
	mu  sync.RWMutex
	all map[uint64]time.Time // time of the end, by the first bytes of the hash
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
