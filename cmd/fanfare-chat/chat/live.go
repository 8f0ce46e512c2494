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

// identity is the Value of a member: whose connection it is, and by which login.
type identity struct {
	id    int64
	name  string
	login [32]byte

	// over is how long it is until the user may send what is about to be published; 0 if they
	// may now. It belongs to the connection's requests, which come one after the other.
	over time.Duration
}

// identityOf returns who a member is.
func identityOf(m *hub.Member) *identity { return m.Value().(*identity) }

// admitHandshake gives a handshake one of the places for those that ask the store, each of which holds
// a worker, until it leaves; or refuses it.
func (c *Chat) admitHandshake(r *wsproto.Request) (release func(), err error) {
	if release, err = c.handshakes.TryAcquire(netpoll.OwnerOf(r.ClientAddr())); err != nil {
		return nil, c.tooManyHandshakes()
	}
	return release, nil
}

// tooManyHandshakes refuses a handshake for which there is no place.
func (c *Chat) tooManyHandshakes() error {
	c.counters.refused.Add(1)
	return &wsproto.Refusal{
		Status: http.StatusServiceUnavailable, Reason: "too many connect at once; try again in a second", Header: http.Header{"Retry-After": {"1"}},
	}
}

// authenticate returns the login of a handshake that has entered, or refuses it.
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
		c.opts.Logger.Error("the store does not answer", "error", err)
		err = wsproto.Refuse(http.StatusServiceUnavailable, unavailable)
	}
	return l, u, err
}

// identify is a session's Options.Identify.
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
	data, err := encode(map[string]string{"name": u.Name})
	return hub.Identity{User: userName(u.ID), Data: data, Value: &identity{id: u.ID, name: u.Name, login: l.Hash}}, err
}

// authorize is a session's Options.AuthorizeAsync: what a member may do with a topic. The
// store is asked without holding a worker.
func (c *Chat) authorize(m *hub.Member, do, topic string, done func(error)) {
	v := identityOf(m)
	if c.ended.has(v.login) {
		m.To().Close(loggedOut)
		done(wire.Errorf(wire.Forbidden, "%s", loggedOut.Text))
		return
	}
	room, ok := roomOf(topic)
	switch {
	case hub.IsUserTopic(topic) && do != wire.Publish: // it is the member's own
		done(nil)
	case !ok:
		done(wire.Errorf(wire.Forbidden, "there is no topic %q here: rooms are %sID, and who is there %sID", topic, roomPrefix, herePrefix))
	case do == wire.Publish: // which publish sees to
		done(nil)
	default:
		c.jobs.add(v.id, func() { done(c.checkMembership(v.id, room)) }, func(err error) { done(c.wireError(err)) })
	}
}

// subscribed is a session's Options.SubscribedAsync.
func (c *Chat) subscribed(m *hub.Member, topic string, done func(error)) {
	c.authorize(m, wire.Subscribe, topic, done)
}

// roomOf returns the room that a topic is about.
func roomOf(topic string) (room int64, ok bool) {
	if room, ok = parseRoom(topic, roomPrefix); ok {
		return room, ok
	}
	return parseRoom(topic, herePrefix)
}

// checkMembership reports why somebody may not know what is said in a room.
func (c *Chat) checkMembership(user, room int64) error {
	ctx, cancel := c.storeContext()
	defer cancel()
	_, err := c.store.Membership(ctx, room, user)
	return c.wireError(err)
}

// wireError is an error of the store as clients of fanfare.v1 are told it.
func (c *Chat) wireError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrNotFound):
		return wire.Errorf(wire.Forbidden, "there is no such room, or you are not in it")
	case errors.Is(err, store.ErrForbidden):
		return wire.Errorf(wire.Forbidden, "that is not allowed")
	case errors.Is(err, errClosed):
		return wire.Errorf(wire.Unavailable, "%v", err)
	case errors.Is(err, fair.ErrOwnerLimit), errors.Is(err, fair.ErrTotalLimit):
		c.counters.refused.Add(1)
		return wire.Errorf(wire.Busy, "%v; try again in a second", err)
	}
	c.opts.Logger.Error("the store does not answer", "error", err)
	return wire.Errorf(wire.Unavailable, unavailable)
}

const unavailable = "the database does not answer; try again later"

// request is what clients publish to a room, or to who is there.
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

// members are the names of what a request has. Others are refused: to ignore what was
// meant to matter would be worse.
var members = []string{"id", "text", "edit", "delete", "typing", "react", "unreact", "sign"}

func parseRequest(data []byte) (q request, err error) {
	unknown := ""
	err = strictjson.Object(data, func(name []byte, _ strictjson.Value) {
		if !slices.Contains(members, string(name)) {
			unknown = string(name)
		}
	})
	if err == nil && unknown != "" {
		err = fmt.Errorf("%q is not known", unknown)
	}
	if err == nil {
		err = strictjson.Unmarshal(data, &q)
	}
	if err != nil {
		return q, wire.Errorf(wire.BadRequest, `the data must be {"id":ID,"text":TEXT}, {"edit":NUMBER,"text":TEXT}, {"delete":NUMBER}, {"react":NUMBER,"sign":SIGN}, {"unreact":NUMBER,"sign":SIGN} or {"typing":BOOLEAN}: %v`, err)
	}
	return q, nil
}

// publish is a session's Options.PublishAsync: done is called when the store has it.
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
		done(c.typing(m, r.Topic, q))
		return
	}
	room, ok := parseRoom(r.Topic, roomPrefix)
	if !ok {
		done(hub.Receipt{}, wire.Errorf(wire.Forbidden, "%q is no room", r.Topic))
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
			done(w.receipt, wire.Errorf(wire.Forbidden, "there is no such message, or it has been deleted"))
			return
		}
		done(w.receipt, c.wireError(w.Err))
	})
}

// change returns what a request wants to be done.
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
		err = errors.New(`"typing" is for ` + herePrefix + "ID")
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

// typing tells the others in a room that somebody is typing, or not any more. Who may be
// there is subscribed.
func (c *Chat) typing(m *hub.Member, topic string, q request) (hub.Receipt, error) {
	switch {
	case q.Typing == nil || q.ID != nil || q.Text != nil || q.Edit != nil || q.Delete != nil || q.React != nil || q.Unreact != nil || q.Sign != nil:
		return hub.Receipt{}, wire.Errorf(wire.BadRequest, `the data must be {"typing":true} or {"typing":false}`)
	case m.Subscription(topic) == nil:
		return hub.Receipt{}, wire.Errorf(wire.Forbidden, "you are not there: subscribe to %s first", topic)
	}
	v := identityOf(m)
	type typist struct {
		personJSON
		On bool `json:"on"`
	}
	msg := jsonMessage(map[string]typist{"typing": {personJSON{ID: v.id, Name: v.name}, *q.Typing}})
	msg.Exclude = m
	return c.hub.Publish(topic, msg)
}

// announce publishes a message that is new, or has changed.
func (c *Chat) announce(m *store.Message) hub.Receipt {
	return c.send(roomTopic(m.Room), jsonMessage(map[string]messageJSON{"message": newMessageJSON(*m)}))
}

// send publishes to a topic. It can fail only if the topic would begin, and there is no
// room for it: then nobody misses anything.
func (c *Chat) send(topic string, m hub.Message) hub.Receipt {
	rc, err := c.hub.Publish(topic, m)
	if err != nil && !errors.Is(err, hub.ErrTooManyTopics) {
		c.opts.Logger.Error(fmt.Sprintf("nothing can be published to %s", topic), "error", err)
	}
	return rc
}
