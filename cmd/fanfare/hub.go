package main

import (
	"encoding/json"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy"
	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/session"
	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/hub/wshub"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// maxData is the largest presence data of a client, in bytes.
const maxData = 1024

func (a *app) newHub() {
	o := hub.Options{
		Workers: wshub.Workers(a.server),
		Topic:   a.cfg.topics.topicOptions(a.cfg.maxPending),
	}
	a.cfg.limits.hub(&o)
	a.hub = hub.New(o)
	a.sessions = session.New(a.hub, session.Options{
		IdentifyAsync: a.identifySession,
		Authorize:     a.authorize,
		MaxData:       maxData,
	})
}

// identifySession returns the identity of a client of fanfare.v1. The client chooses its ?data= unless its identity has data.
func (a *app) identifySession(r *wsproto.Request, done func(hub.Identity, error)) {
	a.identify(r, func(id policy.Identity, err error) {
		if err != nil {
			done(hub.Identity{}, err)
			return
		}
		h := a.hubIdentity(id)
		h.Owner = ownerOf(r.ClientAddr())
		if data := r.Query().Get("data"); data != "" && h.Data == nil {
			h.Data = json.RawMessage(data)
		}
		done(h, nil)
	})
}

// hubIdentity returns the identity for the hub. Its value is the *visitor.
func (a *app) hubIdentity(id policy.Identity) hub.Identity {
	return hub.Identity{User: id.User, Data: id.Data, Expires: id.Expires, Value: a.visitor(id)}
}

// actions are what clients of fanfare.v1 may do with a topic, in the terms of the policy.
var actions = map[string]policy.Action{
	wire.Subscribe: policy.Read, wire.History: policy.Read, wire.Presence: policy.List, wire.Publish: policy.Write,
}

// authorize decides whether a client of fanfare.v1 may do something with a topic.
func (a *app) authorize(m *hub.Member, do, topic string) error {
	if checkTopic(topic) != nil {
		return nil // the session refuses it with bad-topic
	}
	v := m.Value().(*visitor)
	if refusal := a.access.Authorize(v.rights, actions[do], topic); refusal != nil {
		return wire.Errorf(wire.Forbidden, "%s", refusal.Reason)
	}
	return nil
}
