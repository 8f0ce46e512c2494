package wire

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/fanfare-ws/fanfare/hub"
)

// Hello is what the server says first.
type Hello struct {
	Protocol string `json:"protocol"`
	Client   string `json:"client"`         // the connection
	User     string `json:"user,omitempty"` // whose it is
}

// Person is somebody in a topic.
type Person = hub.Person

// Change is news about who is in a topic.
type Change struct {
	Topic  string   `json:"presence"`
	Joined []Person `json:"joined,omitempty"`
	Left   []Person `json:"left,omitempty"` // without data
}

// Dropped says that messages did not come.
type Dropped struct {
	Topic    string `json:"dropped"`
	Messages int64  `json:"messages"`
}

// End says that the server has ended a subscription.
type End struct {
	Topic  string `json:"end"`
	Code   int    `json:"code"` // as of a close frame
	Reason string `json:"reason,omitempty"`
}

// Append appends the event as it is sent.
func (h *Hello) Append(b []byte) ([]byte, error) {
	return appendJSON(b, struct {
		Hello *Hello `json:"hello"`
	}{h})
}

// Append appends the event as it is sent. It fails if data is not JSON.
func (c *Change) Append(b []byte) ([]byte, error) { return appendJSON(b, c) }

// Append appends the event as it is sent.
func (d *Dropped) Append(b []byte) ([]byte, error) { return appendJSON(b, d) }

// Append appends the event as it is sent.
func (e *End) Append(b []byte) ([]byte, error) { return appendJSON(b, e) }

// Event is anything that the server says: one of the pointers is not nil.
type Event struct {
	Reply   *Reply
	Hello   *Hello
	Message *Message
	Change  *Change
	Dropped *Dropped
	End     *End
}

// event has the members of all events.
type event struct {
	Reply
	Hello    *Hello          `json:"hello"`
	Topic    string          `json:"topic"`
	Offset   uint64          `json:"offset"`
	Time     int64           `json:"time"`
	Key      string          `json:"key"`
	Data     json.RawMessage `json:"data"`
	Text     *string         `json:"text"`
	Base64   *[]byte         `json:"base64"`
	Presence string          `json:"presence"`
	Joined   []Person        `json:"joined"`
	Left     []Person        `json:"left"`
	Dropped  string          `json:"dropped"`
	Messages int64           `json:"messages"`
	End      string          `json:"end"`
	Code     int             `json:"code"`
	Reason   string          `json:"reason"`
}

// ErrNoEvent is the error of a JSON object that is none of the events: a later version
// may have more, so it is best ignored.
var ErrNoEvent = errors.New("wire: no event that is known")

// ParseEvent reads what the server has said. The result does not refer to b.
func ParseEvent(b []byte) (Event, error) {
	var e event
	if err := json.Unmarshal(b, &e); err != nil {
		return Event{}, fmt.Errorf("wire: %w", err)
	}
	switch {
	case e.OK != nil, e.Error != nil:
		return Event{Reply: &e.Reply}, nil
	case e.Topic != "":
		m, err := e.message()
		return Event{Message: &m}, err
	case e.Hello != nil:
		return Event{Hello: e.Hello}, nil
	case e.Presence != "":
		return Event{Change: &Change{e.Presence, e.Joined, e.Left}}, nil
	case e.Dropped != "":
		return Event{Dropped: &Dropped{e.Dropped, e.Messages}}, nil
	case e.End != "":
		return Event{End: &End{e.End, e.Code, e.Reason}}, nil
	}
	return Event{}, ErrNoEvent
}
