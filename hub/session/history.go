package session

import (
	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// maxReply is about how many bytes of messages a reply has, but for the first.
const maxReply = 256 << 10

// History returns what a topic holds as r asks for it: Topic, After or Last, Limit.
func History(h *hub.Hub, r *wire.Request) (*wire.Result, error) {
	limit := min(r.Limit, wire.MaxHistory)
	if limit <= 0 {
		limit = wire.DefaultHistory
	}
	start := hub.Start{After: r.After, Last: r.Last}
	if r.After == nil && r.Last == 0 {
		start.Last = limit
	}
	all, at, err := h.History(r.Topic, start, limit+1)
	if err != nil {
		return nil, err
	}
	messages, size := make([]wire.Message, 0, min(len(all), limit)), 0
	for _, one := range all {
		m := message(one)
		if size += m.Size(); len(messages) == limit || len(messages) > 0 && size > maxReply {
			break
		}
		messages = append(messages, m)
	}
	result := &wire.Result{Topic: r.Topic, Messages: &messages, More: len(messages) < len(all)}
	if n := len(messages); result.More {
		at.Offset = messages[n-1].Offset
	}
	if at.Epoch != 0 { // the topic exists
		result.Position = &at
	}
	return result, nil
}

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
