package main

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy"
	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/wshub"
	"github.com/fanfare-ws/fanfare/wsproto"
)

const topicsPath = "/topics/"

// acceptMember accepts a subscriber of a topic, or of all topics that match a pattern.
func (a *app) acceptMember(r *wsproto.Request, name string, id policy.Identity) error {
	if err := checkTopic(name); err != nil {
		return wsproto.Refuse(http.StatusBadRequest, plain(err))
	}
	if hub.IsUserTopic(name) {
		return wsproto.Refuse(http.StatusForbidden, "names that begin with @ are topics of users, who receive their messages at "+hubPath)
	}
	if refusal := a.access.Authorize(id.Rights, policy.Read, name); refusal != nil {
		return refusal.Handshake()
	}
	loudly := false
	if asks(r) {
		if _, _, err := beginning(r); err != nil {
			return wsproto.Refuse(http.StatusBadRequest, plain(err))
		}
		loudly = r.Query().Get("echo") == "1"
	}
	v := a.visitor(id)
	switch {
	case hub.IsPattern(name):
		r.Handler = &listener{topicConn{visitor: v}}
	case !id.Rights.May(policy.Write, name):
		r.Handler = &reader{topicConn{visitor: v}}
	case loudly:
		r.Handler = &loud{topicConn{visitor: v}}
	default:
		r.Handler = &topicConn{visitor: v}
	}
	return nil
}

// asks reports whether the URL has parameters.
func asks(r *wsproto.Request) bool { return strings.Contains(r.URI, "?") }

// maxLast is the largest N of ?history=N.
const maxLast = 1 << 20

// beginning parses where a subscriber begins, and whether it asks for the position.
func beginning(r *wsproto.Request) (start hub.Start, tell bool, err error) {
	q := r.Query()
	if s := q.Get("resume"); s != "" {
		at, err := hub.ParsePosition(s)
		if err != nil {
			return start, false, err
		}
		start.After = &at
	}
	if s := q.Get("history"); s != "" {
		if start.Last, err = strconv.Atoi(s); err != nil || start.Last < 0 || start.Last > maxLast {
			return start, false, fmt.Errorf("history=%s: it must be a number of messages, such as history=50", s)
		}
	}
	if start.After != nil && start.Last > 0 {
		return start, false, errors.New("resume and history exclude each other: each of them says where to begin")
	}
	return start, q.Get("position") == "1", nil
}

// tooOld is the close code if ?resume= asks for messages that the topic no longer holds. It comes from the range for private
// use (RFC 6455, 7.4.2) and is named after HTTP's 410 (Gone).
const tooOld wsproto.Code = 4410

// topicConn is a connection to a topic: it is subscribed, and its messages are published to the other subscribers. There is
// one for every client, so it is small.
type topicConn struct {
	*visitor
	sub hub.Subscription
}

func (t *topicConn) OnOpen(c *wsproto.Conn, r *wsproto.Request) {
	o := hub.SubscribeOptions{Encoding: wshub.Plain, Owner: ownerOf(r.ClientAddr())}
	if asks(r) {
		o.Start, o.Paused, _ = beginning(r) // acceptMember has checked it
	}
	at, err := t.app.hub.Subscribe(strings.TrimPrefix(r.Path(), topicsPath), &t.sub, wshub.Subscriber(c), o)
	var old *hub.TooOldError
	switch {
	case errors.As(err, &old):
		c.Close(tooOld, "too old: oldest is "+old.Oldest.String())
	case errors.Is(err, hub.ErrClosed):
		c.Close(wsproto.GoingAway, plain(err))
	case errors.Is(err, hub.ErrTooManyTopics):
		c.Close(wsproto.TryAgainLater, plain(err))
	case err != nil:
		c.Close(wsproto.PolicyViolation, plain(err))
	case o.Paused:
		_, _ = c.SendJSON(map[string]hub.Position{"position": at}) // it is the first message, so there is room for it
		t.sub.Resume()
	}
}

func (t *topicConn) OnMessage(c *wsproto.Conn, op wsproto.Opcode, payload []byte) {
	t.publish(c, hub.Message{Data: payload, Kind: wshub.Kind(op), Exclude: wshub.Subscriber(c)})
}

// publish closes the connection if the message is lost: nothing else would tell the client.
func (t *topicConn) publish(c *wsproto.Conn, msg hub.Message) {
	if _, err := t.sub.Publish(msg); err != nil {
		c.Close(wsproto.TryAgainLater, plain(err))
	}
}

func (t *topicConn) OnClose(*wsproto.Conn, *wsproto.CloseError) { t.sub.Unsubscribe() }

// loud is a topicConn that receives its own messages, too.
type loud struct{ topicConn }

func (t *loud) OnMessage(c *wsproto.Conn, op wsproto.Opcode, payload []byte) {
	t.publish(c, hub.Message{Data: payload, Kind: wshub.Kind(op)})
}

// listener is subscribed to all topics that match a pattern.
type listener struct{ topicConn }

func (*listener) OnMessage(c *wsproto.Conn, _ wsproto.Opcode, _ []byte) {
	c.Close(wsproto.PolicyViolation, "a subscription to a pattern only receives; to send, connect to one topic")
}

// reader is a subscriber that may not publish.
type reader struct{ topicConn }

func (t *reader) OnMessage(c *wsproto.Conn, _ wsproto.Opcode, _ []byte) {
	c.Close(wsproto.PolicyViolation, t.app.access.Authorize(t.rights, policy.Write, t.sub.Topic()).Reason)
}
