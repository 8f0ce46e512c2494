package session

import (
	"fmt"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// requests does what Request.Do names. begun is a subscription that waits for the
// reply.
var requests = map[string]func(*session, *wire.Request) (result *wire.Result, begun *hub.Subscription, err error){
	wire.Subscribe:   (*session).subscribe,
	wire.Unsubscribe: (*session).unsubscribe,
	wire.Publish:     (*session).publish,
	wire.History:     (*session).history,
	wire.Presence:    (*session).presence,
	wire.Ping:        (*session).ping,
}

// allowed reports why the member may not do something.
func (s *session) allowed(do, topic string) error {
	if m := s.member; hub.IsUserTopic(topic) && (m.User() == "" || topic != hub.UserTopic(m.User())) {
		return fmt.Errorf("%w: %q", hub.ErrForbidden, topic)
	}
	if f := s.end.opts.Authorize; f != nil {
		if err := f(s.member, do, topic); err != nil {
			return wire.ErrorOf(err, wire.Forbidden)
		}
	}
	return nil
}

func (s *session) subscribe(r *wire.Request) (*wire.Result, *hub.Subscription, error) {
	if err := s.allowed(wire.Subscribe, r.Topic); err != nil {
		return nil, nil, err
	}
	o := hub.SubscribeOptions{Start: hub.Start{After: r.After, Last: r.Last}, Wrapped: true, Paused: true}
	if r.Presence {
		o.Presence = new([]hub.Person)
	}
	sub, at, err := s.member.Subscribe(r.Topic, o)
	if err != nil {
		return nil, nil, err
	}
	if f := s.end.opts.Subscribed; f != nil {
		if err := f(s.member, r.Topic); err != nil {
			_ = s.member.Unsubscribe(r.Topic) // unless it has ended meanwhile
			return nil, nil, wire.ErrorOf(err, wire.Forbidden)
		}
	}
	return &wire.Result{Topic: sub.Topic(), Position: &at, Present: o.Presence}, sub, nil
}

func (s *session) unsubscribe(r *wire.Request) (*wire.Result, *hub.Subscription, error) {
	err := s.member.Unsubscribe(r.Topic)
	s.forget(r.Topic)
	return &wire.Result{Topic: r.Topic}, nil, err
}

func (s *session) publish(r *wire.Request) (*wire.Result, *hub.Subscription, error) {
	if r.Data == nil {
		return nil, nil, wire.Errorf(wire.BadRequest, `there is no "data"; it is what to publish, any JSON value`)
	}
	if err := s.allowed(wire.Publish, r.Topic); err != nil {
		return nil, nil, err
	}
	rc, err := s.deliver(r)
	result := &wire.Result{Topic: r.Topic, Receivers: &rc.Receivers}
	if rc.Position.Epoch != 0 {
		result.Position = &rc.Position
	}
	return result, nil, err
}

// deliver publishes, or has the program do so.
func (s *session) deliver(r *wire.Request) (rc hub.Receipt, err error) {
	if f := s.end.opts.Publish; f != nil {
		if rc, err = f(s.member, r); err != nil {
			err = wire.ErrorOf(err, wire.Forbidden)
		}
		return rc, err
	}
	m := hub.Message{Prepared: wsproto.Prepare(wsproto.Text, r.Data), Key: r.Key, JSON: true}
	if !r.Echo {
		m.Except = s.member
	}
	return s.member.Publish(r.Topic, m)
}

func (s *session) history(r *wire.Request) (*wire.Result, *hub.Subscription, error) {
	if err := s.allowed(wire.History, r.Topic); err != nil {
		return nil, nil, err
	}
	result, err := History(s.end.hub, r)
	return result, nil, err
}

func (s *session) presence(r *wire.Request) (*wire.Result, *hub.Subscription, error) {
	if err := s.allowed(wire.Presence, r.Topic); err != nil {
		return nil, nil, err
	}
	all, err := s.end.hub.Presence(r.Topic)
	if all == nil {
		all = []hub.Person{}
	}
	return &wire.Result{Topic: r.Topic, Present: &all}, nil, err
}

func (s *session) ping(*wire.Request) (*wire.Result, *hub.Subscription, error) {
	return new(wire.Result), nil, nil
}
