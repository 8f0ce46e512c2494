package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/backend"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy"
	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/session"
	"github.com/fanfare-ws/fanfare/hub/wshub"
	"github.com/fanfare-ws/fanfare/wsproto"
)

const topicsPath = "/topics/"

// acceptMember accepts a subscriber of a topic, or of all topics that match a pattern.
func (a *app) acceptMember(r *wsproto.Request, name string, v *visitor, done func(error)) {
	if err := checkMember(r, name); err != nil {
		done(err)
		return
	}
	r.Handler = memberHandler(r, name, v)
	switch refusal := a.access.Authorize(v.rights, policy.Read, name); {
	case refusal == nil:
		done(nil)
	case v.asks() && a.hooks.has(backend.Subscribe):
		a.hooks.subscribe(r.Context(), v, "", name, func(err error) {
			if err != nil {
				err = refusalOf(err)
			}
			done(err)
		})
	default:
		done(a.refusals.policy(refusal, fromClient(r.ClientAddr())).Handshake())
	}
}

// checkMember checks everything about a subscriber but its rights.
func checkMember(r *wsproto.Request, name string) error {
	if err := checkTopic(name); err != nil {
		return wsproto.Refuse(http.StatusBadRequest, plain(err))
	}
	if hub.IsUserTopic(name) {
		return wsproto.Refuse(http.StatusForbidden, "names that begin with @ are topics of users, who receive their messages at "+hubPath)
	}
	if asks(r) {
		if _, _, err := beginning(r); err != nil {
			return wsproto.Refuse(http.StatusBadRequest, plain(err))
		}
	}
	return nil
}

// memberHandler returns the handler of a subscriber, which depends on what it may send.
func memberHandler(r *wsproto.Request, name string, v *visitor) wsproto.Handler {
	loudly := asks(r) && r.Query().Get("echo") == "1"
	switch {
	case hub.IsPattern(name):
		return &listener{topicConn{visitor: v}}
	case v.asks() && v.app.hooks.has(backend.Publish):
		return &supervised{topicConn{visitor: v}, loudly}
	case !v.rights.May(policy.Write, name):
		return &reader{topicConn{visitor: v}}
	case loudly:
		return &loud{topicConn{visitor: v}}
	}
	return &topicConn{visitor: v}
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
	tell := false
	if asks(r) {
		o.Start, tell, _ = beginning(r) // checkMember has checked it
	}
	o.Paused = tell || t.opening != nil
	at, err := t.app.hub.Subscribe(strings.TrimPrefix(r.Path(), topicsPath), &t.sub, wshub.Subscriber(c), o)
	var old *hub.TooOldError
	switch {
	case errors.As(err, &old):
		c.Close(tooOld, "too old: oldest is "+old.Oldest.String())
	case err != nil:
		c.Close(session.CloseCode(err), plain(err))
	case o.Paused && !t.begin(c, at, tell):
	case t.client != nil:
		t.connected(t.app.events.topicConnID(), t.user, strings.Clone(r.Path())) // the request does not last
	}
}

// begin begins a subscription that is paused, or closes the connection and returns false.
func (t *topicConn) begin(c *wsproto.Conn, at hub.Position, tell bool) bool {
	if refusal := t.open(t.app, t, fromClient(t.from())); refusal != nil {
		c.Close(closeCode(refusal), refusal.Reason)
		return false
	}
	if tell {
		_, _ = c.SendJSON(map[string]hub.Position{"position": at}) // it is the first message, so there is room for it
	}
	t.sub.Resume()
	return true
}

// connection returns the connection to a topic that a handler has, also one that is embedded.
func (t *topicConn) connection() *topicConn { return t }

// End is the method of policy.Target. The client gets what was published before.
func (t *topicConn) End(why policy.Reason) { t.close(reasonOf(why)) }

func (t *topicConn) close(why hub.CloseReason) { t.sub.Disconnect(why) }

func (t *topicConn) OnMessage(c *wsproto.Conn, op wsproto.Opcode, payload []byte) {
	t.publish(c, hub.Message{Data: payload, Kind: wshub.Kind(op), Exclude: wshub.Subscriber(c)})
}

// OnPing counts a ping as a message.
func (t *topicConn) OnPing(c *wsproto.Conn, payload []byte) { t.ping(c, payload) }

// publish closes the connection if the message is lost: nothing else would tell the client. In a cluster the connection is
// held until NATS has answered, so that no worker waits, and the order of messages is kept.
func (t *topicConn) publish(c *wsproto.Conn, msg hub.Message) {
	switch {
	case !t.pays(c, len(msg.Data)):
	case t.app.link != nil:
		msg.Data = bytes.Clone(msg.Data)
		c.Hold()
		t.send(c, msg, c.Resume)
	default:
		t.send(c, msg, func() {})
	}
}

// pays pays for a message of n bytes except to its topic, or closes the connection if it exceeds a rate.
func (t *topicConn) pays(c *wsproto.Conn, n int) bool {
	over := t.admits(c, n)
	if over.wait == 0 {
		over = t.app.rates.user(t.user, n, (*connSender)(c))
	}
	if over.wait > 0 {
		closeFor(c, over)
	}
	return over.wait == 0
}

// send publishes a message that is paid for except to its topic, and then calls done. In a cluster it does so in a goroutine,
// and the message's data must not change.
func (t *topicConn) send(c *wsproto.Conn, msg hub.Message, done func()) {
	if t.app.link == nil {
		t.sendNow(c, msg)
		done()
		return
	}
	go func() {
		t.sendNow(c, msg)
		done()
	}()
}

func (t *topicConn) sendNow(c *wsproto.Conn, msg hub.Message) {
	if over := t.app.rates.topic(t.local, t.sub.Topic(), len(msg.Data), (*connSender)(c)); over.wait > 0 {
		closeFor(c, over)
		return
	}
	_, err := t.sub.Publish(msg)
	if err != nil && !errors.Is(err, hub.ErrNotSubscribed) { // else the connection is closed with the reason of that
		c.Close(wsproto.TryAgainLater, plain(err))
	}
}

// OnDrain is called when the server drains: see wsproto.DrainHandler. The client gets what was published before.
func (t *topicConn) OnDrain(c *wsproto.Conn) {
	if !t.sub.Disconnect(hub.CloseReason{Code: int(wsproto.ServiceRestart), Text: "the server is restarting"}) {
		c.Close(wsproto.ServiceRestart, "the server is restarting")
	}
}

func (t *topicConn) OnClose(_ *wsproto.Conn, why *wsproto.CloseError) {
	t.leave(t.app)
	t.sub.Unsubscribe()
	t.disconnected(int(why.Code))
}

// loud is a topicConn that receives its own messages, too.
type loud struct{ topicConn }

func (t *loud) OnMessage(c *wsproto.Conn, op wsproto.Opcode, payload []byte) {
	t.publish(c, hub.Message{Data: payload, Kind: wshub.Kind(op)})
}

// supervised is a topicConn whose messages the backend must permit, one after the other.
type supervised struct {
	topicConn
	loudly bool
}

func (t *supervised) OnMessage(c *wsproto.Conn, op wsproto.Opcode, payload []byte) {
	if !t.pays(c, len(payload)) {
		return
	}
	m := hub.Message{Data: bytes.Clone(payload), Kind: wshub.Kind(op)}
	c.Hold() // the order of messages is kept, and no more than one waits
	t.app.hooks.publish(t.visitor, "", t.sub.Topic(), m, func(m hub.Message, err error) {
		if err != nil {
			c.Close(closeCodeOf(err), err.Error())
			c.Resume()
			return
		}
		if !t.loudly {
			m.Exclude = wshub.Subscriber(c)
		}
		t.send(c, m, c.Resume)
	})
}

// listener is subscribed to all topics that match a pattern.
type listener struct{ topicConn }

func (*listener) OnMessage(c *wsproto.Conn, _ wsproto.Opcode, _ []byte) {
	c.Close(wsproto.PolicyViolation, "a subscription to a pattern only receives; to send, connect to one topic")
}

// reader is a subscriber that may not publish.
type reader struct{ topicConn }

func (t *reader) OnMessage(c *wsproto.Conn, _ wsproto.Opcode, _ []byte) {
	refusal := t.app.access.Authorize(t.rights, policy.Write, t.sub.Topic())
	c.Close(wsproto.PolicyViolation, t.app.refusals.policy(refusal, fromClient(t.from())).Reason)
}
