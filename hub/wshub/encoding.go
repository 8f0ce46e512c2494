package wshub

import (
	"encoding/json"
	"fmt"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// Codec turns messages and events into whole WebSocket messages of a protocol. It must have no
// state, and its dynamic type must be comparable, as hub.Encoding demands. The methods are called
// from any goroutine, must not call the hub, and must not panic.
type Codec interface {
	// Message returns the payload of a message, and wsproto.Text or wsproto.Binary. The
	// payload is copied before the next call. ok is false if the protocol has no form for the
	// message.
	Message(r *hub.Record) (op wsproto.Opcode, payload []byte, ok bool)
	// Event is Message for events.
	Event(e *hub.Event) (op wsproto.Opcode, payload []byte, ok bool)
}

// NewEncoding returns the encoding that sends the WebSocket messages of c. Encodings of equal
// codecs are equal. Their Encoded values are of type *wsproto.Prepared.
func NewEncoding(c Codec) hub.Encoding { return encoding{c} }

type encoding struct{ codec Codec }

func (e encoding) Encode(r *hub.Record) hub.Encoded { return prepare(e.codec.Message(r)) }

func (e encoding) EncodeEvent(event *hub.Event) hub.Encoded { return prepare(e.codec.Event(event)) }

func prepare(op wsproto.Opcode, payload []byte, ok bool) hub.Encoded {
	if !ok {
		return nil
	}
	return wsproto.Prepare(op, payload)
}

func (encoding) Join(all []hub.Encoded) hub.Encoded {
	parts := make([]*wsproto.Prepared, len(all))
	for i, one := range all {
		parts[i] = one.(*wsproto.Prepared)
	}
	return wsproto.Join(parts...)
}

// Plain sends the data of each message as it was published: as a binary message if its kind is
// hub.Binary, else as text. A presence event is a text message: a JSON object with the members
// presence (the topic), joined and left (lists of hub.Person). An empty list is left out. Other
// events are not sent.
var Plain = NewEncoding(plain{})

type plain struct{}

func (plain) Message(r *hub.Record) (wsproto.Opcode, []byte, bool) {
	if r.Kind == hub.Binary {
		return wsproto.Binary, r.Data, true
	}
	return wsproto.Text, r.Data, true
}

func (plain) Event(e *hub.Event) (wsproto.Opcode, []byte, bool) {
	if e.Kind != hub.PresenceEvent {
		return 0, nil, false
	}
	b, err := json.Marshal(struct {
		Presence string       `json:"presence"`
		Joined   []hub.Person `json:"joined,omitempty"`
		Left     []hub.Person `json:"left,omitempty"`
	}{e.Topic, e.Joined, e.Left})
	return wsproto.Text, b, err == nil // the hub has checked that a person's data is JSON
}

// checkEncoding reports why a WebSocket cannot send what e makes.
func checkEncoding(e hub.Encoding) error {
	if _, ok := e.(encoding); !ok {
		return fmt.Errorf("wshub: a WebSocket cannot send what %T makes; NewEncoding returns encodings that it can", e)
	}
	return nil
}

// Kind returns the hub.Message kind for a message with that opcode.
func Kind(op wsproto.Opcode) hub.Kind {
	if op == wsproto.Binary {
		return hub.Binary
	}
	return hub.Text
}
