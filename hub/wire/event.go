package wire

import (
	"errors"
	"fmt"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/strictjson"
)

// Hello is the first event on a connection.
type Hello struct {
	Protocol string `json:"protocol"`
	Client   string `json:"client"`         // the ID of the connection
	User     string `json:"user,omitempty"` // the user that the server has identified; "" if none
	// Expires is the time in milliseconds until the client's token expires; 0 if it does not.
	Expires int64 `json:"expires,omitempty"`
}

// Person is a user or an anonymous client that is present in a topic.
type Person = hub.Person

// Change is the event of people joining or leaving a topic.
type Change struct {
	Topic  string   `json:"presence"`
	Joined []Person `json:"joined,omitempty"`
	Left   []Person `json:"left,omitempty"` // without data
}

// Dropped is the event of messages that the server dropped because the client is slow.
type Dropped struct {
	Topic    string `json:"dropped"`
	Messages int64  `json:"messages"` // since the last such event
}

// End is the event of a subscription that the server has ended.
type End struct {
	Topic  string `json:"end"`
	Code   int    `json:"code"` // as in a close frame
	Reason string `json:"reason,omitempty"`
}

// Append appends the event in its wire format.
func (h *Hello) Append(b []byte) ([]byte, error) {
	return appendJSON(b, struct {
		Hello *Hello `json:"hello"`
	}{h})
}

// Append appends the event in its wire format. It fails if the data of a person is not JSON.
func (c *Change) Append(b []byte) ([]byte, error) { return appendJSON(b, c) }

// Append appends the event in its wire format.
func (d *Dropped) Append(b []byte) ([]byte, error) { return appendJSON(b, d) }

// Append appends the event in its wire format.
func (e *End) Append(b []byte) ([]byte, error) { return appendJSON(b, e) }

// Event is anything that a server sends: exactly one of the pointers is not nil.
type Event struct {
	Reply   *Reply
	Hello   *Hello
	Message *Message
	Change  *Change
	Dropped *Dropped
	End     *End
}

// event has the raw members of all kinds of events.
type event struct {
	id, ok, err, hello, presence, joined, left, dropped, messages, end, code, reason strictjson.Value
	message                                                                          rawMessage
}

func (e *event) member(name []byte) *strictjson.Value {
	switch string(name) {
	case "id":
		return &e.id
	case "ok":
		return &e.ok
	case "error":
		return &e.err
	case "hello":
		return &e.hello
	case "presence":
		return &e.presence
	case "joined":
		return &e.joined
	case "left":
		return &e.left
	case "dropped":
		return &e.dropped
	case "messages":
		return &e.messages
	case "end":
		return &e.end
	case "code":
		return &e.code
	case "reason":
		return &e.reason
	}
	return e.message.member(name)
}

// ErrNoEvent is the error for a JSON object that is no known event. Clients should ignore such
// an object, because a later version of the protocol may have more events.
var ErrNoEvent = errors.New("wire: unknown event")

// ParseEvent parses a message from a server. The result does not refer to b. If a reply is
// invalid but its id is not, the event has a Reply with only the ID, beside the error.
func ParseEvent(b []byte) (Event, error) {
	var e event
	err := strictjson.Envelope(b, func(name []byte, v strictjson.Value) {
		if p := e.member(name); p != nil {
			*p = v
		}
	})
	var f fields
	event := e.event(&f)
	var deep *strictjson.DepthError
	switch {
	case errors.As(err, &deep) && !missing(e.id):
		id, _ := e.id.Uint()
		return Event{Reply: &Reply{ID: id}}, fmt.Errorf("wire: %w", err)
	case err != nil:
		return Event{}, fmt.Errorf("wire: %w", err)
	case f.err != nil && event.Reply != nil:
		return Event{Reply: &Reply{ID: event.Reply.ID}}, f.err
	case f.err != nil:
		return Event{}, f.err
	case event == Event{}:
		return event, ErrNoEvent
	}
	return event, nil
}

// event converts e to an Event; f has the error if a member is invalid.
func (e *event) event(f *fields) (all Event) {
	switch {
	case !missing(e.ok), !missing(e.err):
		all.Reply = e.reply(f)
	case !missing(e.message.topic):
		m := e.message.message(f)
		all.Message = &m
	case !missing(e.hello):
		all.Hello = new(Hello)
		f.decode("hello", e.hello, all.Hello)
	case !missing(e.presence):
		all.Change = &Change{Topic: f.text("presence", e.presence)}
		f.decode("joined", e.joined, &all.Change.Joined)
		f.decode("left", e.left, &all.Change.Left)
	case !missing(e.dropped):
		all.Dropped = &Dropped{f.text("dropped", e.dropped), int64(f.count("messages", e.messages))}
	case !missing(e.end):
		all.End = &End{f.text("end", e.end), f.count("code", e.code), f.text("reason", e.reason)}
	}
	return all
}

func (e *event) reply(f *fields) *Reply {
	r := new(Reply)
	if !missing(e.id) {
		r.ID = f.number("id", e.id)
	}
	if !missing(e.err) {
		r.Error = new(Error)
		f.decode("error", e.err, r.Error)
		return r
	}
	r.OK = f.result(e.ok)
	return r
}

// result parses the "ok" member of a reply.
func (f *fields) result(v strictjson.Value) *Result {
	var topic, position, receivers, messages, more, present, expires strictjson.Value
	err := v.Object(func(name []byte, v strictjson.Value) {
		switch string(name) {
		case "topic":
			topic = v
		case "position":
			position = v
		case "receivers":
			receivers = v
		case "messages":
			messages = v
		case "more":
			more = v
		case "present":
			present = v
		case "expires":
			expires = v
		}
	})
	if err != nil {
		f.wrong(`"ok": %v`, err)
		return nil
	}
	r := &Result{Topic: f.text("topic", topic), Position: f.position("position", position), More: f.flag("more", more), Expires: int64(f.count("expires", expires))}
	if !missing(receivers) {
		n := f.count("receivers", receivers)
		r.Receivers = &n
	}
	if !missing(messages) {
		r.Messages = f.all(messages)
	}
	if !missing(present) {
		r.Present = new([]Person)
		f.decode("present", present, r.Present)
	}
	return r
}

// all parses the messages of a history reply.
func (f *fields) all(v strictjson.Value) *[]Message {
	all := []Message{}
	err := v.Array(func(v strictjson.Value) {
		m, err := parseMessage(v)
		if err != nil {
			f.wrong("%v", err)
		}
		all = append(all, m)
	})
	if err != nil {
		f.wrong(`"messages": %v`, err)
	}
	return &all
}
