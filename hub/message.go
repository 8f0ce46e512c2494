package hub

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Message is a message to publish.
type Message struct {
	Data    []byte     // copied by Publish
	Kind    Kind       // of Data; the hub does not check it
	Key     string     // for topics that conflate: the message replaces the last one with this key
	Exclude Subscriber // does not get the message; nil if everybody gets it
	// ID, if not "", has a Broker publish the message once, even if it is published again at another
	// node: see Envelope.ID. Without a broker it has no effect; package hub/idempotency is for that.
	ID string
}

// Record is a published message with its place in a topic. It does not change, and remains valid
// for as long as the caller keeps it. Its Data must not be modified.
type Record struct {
	Message
	Topic  string
	Offset uint64 // in Topic, from 1
	at     int64  // milliseconds since 1970

	event *Event // of a presence topic: takes the place of the message
	forms forms
	cold  atomic.Bool // it is history only, and caches no encoded forms
}

// Time returns when the message was published, with a precision of milliseconds.
func (r *Record) Time() time.Time { return time.UnixMilli(r.at) }

// cost returns what the record counts for in limits, in bytes.
func (r *Record) cost() uint64 {
	size := len(r.Data)
	if r.event != nil {
		size = peopleSize(r.event.Joined) + peopleSize(r.event.Left)
	}
	return uint64(size + max(0, len(r.Key)-shortKey) + entryCost)
}

// shortKey is the length up to which a key does not count, in bytes.
const shortKey = 32

// entryCost is what a message counts for in addition to its length: the memory of the
// structures that hold it.
const entryCost = 224

// releaseForms drops the encoded forms: r is history only from now on, and is encoded anew for
// each subscriber that asks for it. It does not wait for an encoding under way.
func (r *Record) releaseForms() {
	r.cold.Store(true)
	r.forms.first.Store(nil)
}

// Position is a place in a topic: after the message with that offset. Offsets of different
// epochs are unrelated: the epoch changes when a topic begins anew. The offsets of a pattern
// count the messages of all its topics since the pattern began; they are not the Record.Offset
// of these messages.
type Position struct {
	Epoch  uint64
	Offset uint64
}

// String returns the position in the form that ParsePosition parses, EPOCH:OFFSET.
func (p Position) String() string {
	return strconv.FormatUint(p.Epoch, 36) + ":" + strconv.FormatUint(p.Offset, 10)
}

// MarshalText returns the same as String.
func (p Position) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText parses the position with ParsePosition.
func (p *Position) UnmarshalText(b []byte) (err error) {
	*p, err = ParsePosition(string(b))
	return err
}

// ParsePosition is the inverse of Position.String.
func ParsePosition(s string) (Position, error) {
	epoch, offset, ok := strings.Cut(s, ":")
	e, err1 := strconv.ParseUint(epoch, 36, 64)
	o, err2 := strconv.ParseUint(offset, 10, 64)
	if err := errors.Join(err1, err2); !ok || err != nil {
		return Position{}, fmt.Errorf("hub: %q is not a position; it must be EPOCH:OFFSET, as the server sent it", s)
	}
	return Position{e, o}, nil
}

// TooOldError says that messages after a position are no longer held, or that the topic has
// begun anew since then.
type TooOldError struct {
	Asked  Position
	Oldest Position // everything after it is held
	Latest Position // after the last message
}

func (e *TooOldError) Error() string {
	if e.Asked.Epoch != e.Latest.Epoch {
		return fmt.Sprintf("hub: too old: the topic has begun anew since %v; the oldest position that is held is %v", e.Asked, e.Oldest)
	}
	if e.Asked.Offset > e.Latest.Offset {
		return fmt.Sprintf("hub: %v is ahead of the topic, which is at %v; the oldest position that is held is %v", e.Asked, e.Latest, e.Oldest)
	}
	return fmt.Sprintf("hub: too old: the oldest position that is held is %v", e.Oldest)
}

// Receipt is the result of publishing a message.
type Receipt struct {
	Position  Position // of the message in its topic
	Receivers int      // subscribers at this moment, including those by pattern and Message.Exclude
}
