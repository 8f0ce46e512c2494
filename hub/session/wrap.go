package session

import (
	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// message returns r as the protocol has it. It refers to r's payload.
func message(r *hub.Record) wire.Message {
	op, payload := r.Payload()
	m := wire.Message{Topic: r.Topic, Offset: r.Offset, Time: r.Time().UnixMilli(), Key: r.Key, Payload: payload}
	switch {
	case r.JSON:
		m.Kind = wire.JSON
	case op == wsproto.Text:
		m.Kind = wire.Text
	default:
		m.Kind = wire.Binary
	}
	return m
}

// Wrap is a hub's Options.Wrap.
func Wrap(r *hub.Record) *wsproto.Prepared {
	m := message(r)
	return wsproto.Prepare(wsproto.Text, m.Append(make([]byte, 0, m.Size())))
}

// WrapPresence is a hub's Options.WrapPresence.
func WrapPresence(topic string, joined, left []hub.Person) *wsproto.Prepared {
	p, err := (&wire.Change{Topic: topic, Joined: joined, Left: left}).Append(nil)
	if err != nil {
		panic(err) // the hub has seen to it that the data is JSON
	}
	return wsproto.Prepare(wsproto.Text, p)
}
