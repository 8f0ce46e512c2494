package chat

import (
	"cmp"
	"errors"
	"net/http"
	"slices"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/account"
	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
)

const (
	defaultRooms   = 50 // in a page of the list, if the request has no limit
	maxRooms       = 200
	defaultMembers = 100
	maxMembers     = 1000
)

func (c *Chat) openRooms(k *call) error {
	limit, err := k.limit(defaultRooms, maxRooms)
	if err != nil {
		return err
	}
	list, more, err := c.store.OpenRooms(k.Context(), k.URL.Query().Get("after"), limit)
	if err != nil {
		return err
	}
	return k.answer(http.StatusOK, map[string]any{"more": more, "rooms": mapSlice(list, func(r store.Room) personJSON {
		return personJSON{ID: r.ID, Name: r.Name, Key: r.Key}
	})})
}

func (c *Chat) members(k *call) error {
	room, err := c.memberRoom(k)
	if err != nil {
		return err
	}
	limit, err := k.limit(defaultMembers, maxMembers)
	if err != nil {
		return err
	}
	list, more, err := c.store.Members(k.Context(), room, k.URL.Query().Get("after"), limit)
	if err != nil {
		return err
	}
	return k.answer(http.StatusOK, map[string]any{"more": more, "members": mapSlice(list, func(u store.User) personJSON {
		return personJSON{ID: u.ID, Name: u.Name, Key: u.Key}
	})})
}

// memberRoom returns the room in the path, if the caller is a member.
func (c *Chat) memberRoom(k *call) (room int64, err error) {
	if room, err = k.room(); err == nil {
		_, err = c.store.Membership(k.Context(), room, k.user.ID)
	}
	return room, err
}

// answerRoom responds with a room of the caller.
func (c *Chat) answerRoom(k *call, status int, room int64) error {
	p, err := c.store.Membership(k.Context(), room, k.user.ID)
	if err != nil {
		return err
	}
	return k.answer(status, newRoomJSON(p))
}

func (c *Chat) addRoom(k *call) error {
	var q struct {
		Name    string `json:"name"`
		Private bool   `json:"private"`
	}
	if err := k.readJSON(&q); err != nil {
		return err
	}
	name, key, err := account.ParseName(q.Name)
	if err != nil {
		return &account.InvalidError{Reason: err}
	}
	if err := c.checkRoomLimits(k, 0, k.user.ID, c.limits.Rooms); err != nil {
		return err
	}
	kind := store.Open
	if q.Private {
		kind = store.Private
	}
	r, err := c.store.AddRoom(k.Context(), store.Room{Kind: kind, Name: name, Key: key, Owner: k.user.ID, Created: c.opts.Now()})
	if err != nil {
		return err
	}
	c.notifyRoomsChanged(k.user.ID)
	return c.answerRoom(k, http.StatusCreated, r.ID)
}

func (c *Chat) join(k *call) error {
	room, err := k.room()
	if err != nil {
		return err
	}
	if err := c.checkRoomLimits(k, room, k.user.ID, c.limits.Rooms); err != nil {
		return err
	}
	p, err := c.store.Join(k.Context(), room, k.user.ID)
	if errors.Is(err, store.ErrNotFound) {
		return errorf(http.StatusNotFound, "there is no open room %d", room)
	}
	if err != nil {
		return err
	}
	c.notifyRoomsChanged(k.user.ID)
	return k.answer(http.StatusOK, newRoomJSON(p))
}

func (c *Chat) leaveRoom(k *call) error {
	room, err := k.room()
	if err != nil {
		return err
	}
	if err := c.leave(k.Context(), room, k.user.ID); err != nil {
		return err
	}
	return k.done()
}

func (c *Chat) invite(k *call) error {
	room, err := c.memberRoom(k)
	if err != nil {
		return err
	}
	u, err := c.namedUser(k)
	if err != nil {
		return err
	}
	if err := c.checkRoomLimits(k, room, u.ID, 2*c.limits.Rooms); err != nil {
		return err
	}
	added, err := c.store.Invite(k.Context(), room, k.user.ID, u.ID)
	if err != nil {
		return err
	}
	if added {
		c.notifyRoomsChanged(u.ID)
	}
	return k.done()
}

// checkDirectLimits returns nil if the caller and another user have a direct room, or may get one.
func (c *Chat) checkDirectLimits(k *call, other int64) error {
	var full error
	for _, user := range []int64{k.user.ID, other} {
		full = cmp.Or(full, c.checkRoomLimits(k, 0, user, 2*c.limits.Rooms))
	}
	if full == nil {
		return nil
	}
	places, err := c.store.Memberships(k.Context(), k.user.ID)
	if slices.ContainsFunc(places, func(p store.Membership) bool { return p.Kind == store.Direct && p.With.ID == other }) {
		return nil
	}
	return cmp.Or(err, full)
}

func (c *Chat) direct(k *call) error {
	u, err := c.namedUser(k)
	if err != nil {
		return err
	}
	if err := c.checkDirectLimits(k, u.ID); err != nil {
		return err
	}
	r, made, err := c.store.DirectRoom(k.Context(), k.user.ID, u.ID, c.opts.Now())
	if err != nil {
		return err
	}
	status := http.StatusOK
	if made {
		status = http.StatusCreated
		c.notifyRoomsChanged(k.user.ID)
		if u.ID != k.user.ID {
			c.notifyRoomsChanged(u.ID)
		}
	}
	return c.answerRoom(k, status, r.ID)
}
