package chat

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/account"
	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/fair"
	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/strictjson"
	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/netpoll"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// identity is the Value of a member: the user and the login of a connection.
type identity struct {
	id    int64
	name  string
	login [32]byte

	// over is the time until the user may send the message that is about to be published; 0 if it
	// may be sent now. The connection's requests, which run one after the other, own it.
	over time.Duration
}

// identityOf returns the identity of a member.
func identityOf(m *hub.Member) *identity { return m.Value().(*identity) }

// admitHandshake takes one of the places for handshakes that use the store, each of which keeps a
// worker busy. The error refuses the handshake.
func (c *Chat) admitHandshake(r *wsproto.Request) (release func(), err error) {
	if release, err = c.handshakes.TryAcquire(netpoll.OwnerOf(r.ClientAddr())); err != nil {
		return nil, c.tooManyHandshakes()
	}
	return release, nil
}

// tooManyHandshakes returns the refusal of a handshake for which there is no place.
func (c *Chat) tooManyHandshakes() error {
	c.counters.refused.Add(1)
	return &wsproto.Refusal{
		Status: http.StatusServiceUnavailable, Reason: "too many clients are connecting; try again in a second", Header: http.Header{"Retry-After": {"1"}},
	}
}

// authenticate returns the login of a handshake that has been admitted. The error refuses the
// handshake.
func (c *Chat) authenticate(r *wsproto.Request) (store.Login, store.User, error) {
	ctx, cancel := c.storeContext()
	defer cancel()
	l, u, err := c.accounts.Authenticate(ctx, account.Source{
		Addr: r.ClientAddr(), Secure: r.Secure(), Cookies: strings.Join(r.Header.Values("Cookie"), ";"),
	})
	var many *account.TooManyError
	switch {
	case errors.As(err, &many):
		err = c.tooManyHandshakes()
	case errors.Is(err, account.ErrNoLogin):
		err = wsproto.Refuse(http.StatusUnauthorized, err.Error())
	case err != nil:
		c.opts.Logger.Error("the store has failed", "error", err)
		err = wsproto.Refuse(http.StatusServiceUnavailable, unavailable)
	}
	return l, u, err
}

// identify implements session.Options.Identify. It sets the user of the connection that acceptSession
// counts.
func (c *Chat) identify(r *wsproto.Request) (id hub.Identity, err error) {
	release, err := c.admitHandshake(r)
	if err != nil {
		return id, err
	}
	defer release()
	l, u, err := c.authenticate(r)
	if err != nil {
		return id, err
	}
	r.Handler.(*countedConn).user = u.ID
	data, err := encode(map[string]string{"name": u.Name})
	return hub.Identity{User: userName(u.ID), Data: data, Value: &identity{id: u.ID, name: u.Name, login: l.Hash}}, err
}

// authorize implements session.Options.AuthorizeAsync. It asks the store without keeping a worker busy.
func (c *Chat) authorize(m *hub.Member, do, topic string, done func(error)) {
	v := identityOf(m)
	if c.ended.has(v.login) {
		m.To().Close(loggedOut)
		done(wire.Errorf(wire.Forbidden, "%s", loggedOut.Text))
		return
	}
	room, ok := roomOf(topic)
	switch {
	case hub.IsUserTopic(topic) && do != wire.Publish: // the topic of the member's user
		done(nil)
	case !ok:
		done(wire.Errorf(wire.Forbidden, "there is no topic %q; the topics are %sID for the messages of a room, and %sID for its presence", topic, roomPrefix, herePrefix))
	case do == wire.Publish: // checked by publish
		done(nil)
	default:
		c.jobs.add(v.id, func() { done(c.checkMembership(v.id, room)) }, func(err error) { done(c.wireError(err)) })
	}
}

// subscribed implements session.Options.SubscribedAsync.
func (c *Chat) subscribed(m *hub.Member, topic string, done func(error)) {
	c.authorize(m, wire.Subscribe, topic, done)
}

// roomOf returns the room of a topic.
func roomOf(topic string) (room int64, ok bool) {
	if room, ok = parseRoom(topic, roomPrefix); ok {
		return room, ok
	}
	return parseRoom(topic, herePrefix)
}

// checkMembership returns nil if the user is a member of the room.
func (c *Chat) checkMembership(user, room int64) error {
	ctx, cancel := c.storeContext()
	defer cancel()
	_, err := c.store.Membership(ctx, room, user)
	return c.wireError(err)
}

// wireError converts an error of the store to one for clients of fanfare.v1.
func (c *Chat) wireError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrNotFound):
		return wire.Errorf(wire.Forbidden, "the room does not exist, or you are not a member")
	case errors.Is(err, store.ErrForbidden):
		return wire.Errorf(wire.Forbidden, "this is not permitted in this room")
	case errors.Is(err, errClosed):
		return wire.Errorf(wire.Unavailable, "%v", err)
	case errors.Is(err, fair.ErrOwnerLimit), errors.Is(err, fair.ErrTotalLimit):
		c.counters.refused.Add(1)
		return wire.Errorf(wire.Busy, "%v; try again in a second", err)
	}
	c.opts.Logger.Error("the store has failed", "error", err)
	return wire.Errorf(wire.Unavailable, unavailable)
}

const unavailable = "the database is not available; try again later"

// request is the data that clients publish to a room or to its presence.
type request struct {
	ID     *string `json:"id"`
	Text   *string `json:"text"`
	Edit   *int64  `json:"edit"`
	Delete *int64  `json:"delete"`
	Typing *bool   `json:"typing"`

	React   *int64  `json:"react"`
	Unreact *int64  `json:"unreact"`
	Sign    *string `json:"sign"`
}

// members are the names of the members of a request. A request with other members is refused, because
// ignoring a member could do something other than what the client wanted.
var members = []string{"id", "text", "edit", "delete", "typing", "react", "unreact", "sign"}

func parseRequest(data []byte) (q request, err error) {
	unknown := ""
	err = strictjson.Object(data, func(name []byte, _ strictjson.Value) {
		if !slices.Contains(members, string(name)) {
			unknown = string(name)
		}
	})
	if err == nil && unknown != "" {
		err = fmt.Errorf("unknown member %q", unknown)
	}
	if err == nil {
		err = strictjson.Unmarshal(data, &q)
	}
	if err != nil {
		return q, wire.Errorf(wire.BadRequest, `the data must be {"id":ID,"text":TEXT}, {"edit":NUMBER,"text":TEXT}, {"delete":NUMBER}, {"react":NUMBER,"sign":SIGN}, {"unreact":NUMBER,"sign":SIGN} or {"typing":BOOLEAN}: %v`, err)
	}
	return q, nil
}

// publish implements session.Options.PublishAsync. It calls done when the message is stored.
func (c *Chat) publish(m *hub.Member, r *wire.Request, done func(hub.Receipt, error)) {
	if over := identityOf(m).over; over > 0 {
		done(hub.Receipt{}, c.messageRateError(over))
		return
	}
	q, err := parseRequest(r.Data)
	if err != nil {
		done(hub.Receipt{}, err)
		return
	}
	if _, ok := parseRoom(r.Topic, herePrefix); ok {
		c.typing(m, r.Topic, q, done)
		return
	}
	room, ok := parseRoom(r.Topic, roomPrefix)
	if !ok {
		done(hub.Receipt{}, wire.Errorf(wire.Forbidden, "%q is not a room; publish to %sID", r.Topic, roomPrefix))
		return
	}
	change, err := q.change()
	if err != nil {
		done(hub.Receipt{}, err)
		return
	}
	change.Room, change.User = room, identityOf(m).id
	c.commits.write(change, func(w commitResult) {
		if errors.Is(w.Err, store.ErrNotFound) && change.Op != store.Send {
			done(w.receipt, wire.Errorf(wire.Forbidden, "the message does not exist, or has been deleted"))
			return
		}
		done(w.receipt, c.wireError(w.Err))
	})
}

// change converts a request to a Change.
func (q *request) change() (ch store.Change, err error) {
	if q.React != nil || q.Unreact != nil || q.Sign != nil {
		return q.reaction()
	}
	var text string
	if q.Text != nil {
		if text, err = cleanText(*q.Text); err != nil {
			code := wire.BadRequest
			if errors.Is(err, errTooLong) {
				code = wire.TooLarge
			}
			return ch, wire.Errorf(code, "%v", err)
		}
	}
	switch {
	case q.Typing != nil:
		err = errors.New(`"typing" must be published to ` + herePrefix + "ID")
	case q.ID != nil && q.Text != nil && q.Edit == nil && q.Delete == nil:
		ch = store.Change{Op: store.Send, ClientID: *q.ID, Text: text}
		err = checkClient(*q.ID)
	case q.Edit != nil && q.Text != nil && q.ID == nil && q.Delete == nil:
		ch = store.Change{Op: store.Edit, Number: *q.Edit, Text: text}
	case q.Delete != nil && q.Text == nil && q.ID == nil && q.Edit == nil:
		ch = store.Change{Op: store.Delete, Number: *q.Delete}
	default:
		err = errors.New(`the data must have "id" and "text", or "edit" and "text", or "delete"`)
	}
	if err != nil {
		return ch, wire.Errorf(wire.BadRequest, "%v", err)
	}
	return ch, nil
}

// typing tells the other people in a room that a user is typing, or has stopped. Only subscribers of
// the room's presence may publish it.
func (c *Chat) typing(m *hub.Member, topic string, q request, done func(hub.Receipt, error)) {
	switch {
	case q.Typing == nil || q.ID != nil || q.Text != nil || q.Edit != nil || q.Delete != nil || q.React != nil || q.Unreact != nil || q.Sign != nil:
		done(hub.Receipt{}, wire.Errorf(wire.BadRequest, `the data must be {"typing":true} or {"typing":false}`))
		return
	case m.Subscription(topic) == nil:
		done(hub.Receipt{}, wire.Errorf(wire.Forbidden, "subscribe to %s first", topic))
		return
	}
	v := identityOf(m)
	type typist struct {
		personJSON
		On bool `json:"on"`
	}
	msg := jsonMessage(map[string]typist{"typing": {personJSON{ID: v.id, Name: v.name}, *q.Typing}})
	msg.Exclude = m
	c.hub.PublishAsync(topic, msg, done)
}

// announce publishes a new or changed message.
func (c *Chat) announce(m *store.Message, done func(hub.Receipt)) {
	c.send(roomTopic(m.Room), jsonMessage(map[string]messageJSON{"message": newMessageJSON(*m)}), done)
}

// send publishes to a topic. hub.ErrTooManyTopics means that the topic does not exist yet and cannot be
// created; then it has no subscribers that could miss the message. In a cluster, what cannot be published now is published later.
func (c *Chat) send(topic string, m hub.Message, done func(hub.Receipt)) {
	c.hub.PublishAsync(topic, m, func(rc hub.Receipt, err error) {
		switch {
		case err == nil || errors.Is(err, hub.ErrTooManyTopics):
		case c.opts.Cluster != nil: // whose log says why
			c.unpublished.add(topic, m)
		default:
			c.opts.Logger.Error("publishing has failed", "topic", topic, "error", err)
		}
		done(rc)
	})
}
