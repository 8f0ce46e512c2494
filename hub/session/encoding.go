package session

import (
	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/hub/wshub"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// Encoding sends messages and events in the form of the protocol: each is a WebSocket text
// message with one JSON object. An [Endpoint] subscribes its connections with it.
var Encoding = wshub.NewEncoding(codec{})

type codec struct{}

func (codec) Message(r *hub.Record) (wsproto.Opcode, []byte, bool) {
	m := message(r)
	return wsproto.Text, m.Append(make([]byte, 0, m.Size())), true
}

func (codec) Event(e *hub.Event) (wsproto.Opcode, []byte, bool) {
	p, err := event(e)
	return wsproto.Text, p, err == nil
}

// message returns r in the form of the protocol. The result refers to r's data.
func message(r *hub.Record) wire.Message {
	m := wire.Message{Topic: r.Topic, Offset: r.Offset, Time: r.Time().UnixMilli(), Key: r.Key, Payload: r.Data}
	switch r.Kind {
	case hub.JSON:
		m.Kind = wire.JSON
	case hub.Text:
		m.Kind = wire.Text
	default:
		m.Kind = wire.Binary
	}
	return m
}

// event returns e in the form of the protocol. It does not fail, because all presence data has
// been checked to be JSON.
func event(e *hub.Event) ([]byte, error) {
	switch e.Kind {
	case hub.DropEvent:
		return (&wire.Dropped{Topic: e.Topic, Messages: e.Messages}).Append(nil)
	case hub.EndEvent:
		return (&wire.End{Topic: e.Topic, Code: int(wshub.CloseCode(e.Reason)), Reason: e.Reason.Text}).Append(nil)
	}
	return (&wire.Change{Topic: e.Topic, Joined: e.Joined, Left: e.Left}).Append(nil)
}
