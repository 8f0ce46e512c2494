package session

import (
	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/wire"
)

// maxReply bounds the messages of a reply, in bytes; the first message may be larger.
const maxReply = 256 << 10

// History returns the messages of a topic that r asks for with Topic, After or Last, and Limit.
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
