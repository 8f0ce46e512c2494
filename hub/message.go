package hub

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Kind says what the bytes of a [Message] are. Encodings look at it, the hub does not.
type Kind uint8

const (
	Text   Kind = iota // UTF-8
	Binary             // any bytes
	JSON               // valid JSON; a text as well
)

// Message is what is published.
type Message struct {
	Data    []byte     // copied by Publish
	Kind    Kind       // of Data; the caller answers for it
	Key     string     // for topics that conflate: the message replaces the last one with this key
	Exclude Subscriber // does not get it; nil for nobody
}

// Record is a message that has its place in a topic. It does not change, and is valid for
// as long as the caller keeps it.
type Record struct {
	Message
	Topic  string
	Offset uint64 // in Topic, from 1
	at     int64  // milliseconds since 1970

	event *Event // of a presence topic: in place of the message
	forms forms
	cold  atomic.Bool // it is history, and keeps no encoded forms
}

// Time returns when the message was published, in milliseconds.
func (r *Record) Time() time.Time { return time.UnixMilli(r.at) }

// cost is what the record counts for in limits, in bytes.
func (r *Record) cost() uint64 {
	size := len(r.Data)
	if r.event != nil {
		size = peopleSize(r.event.Joined) + peopleSize(r.event.Left)
	}
	return uint64(size + max(0, len(r.Key)-shortKey) + entryCost)
}

// shortKey is how long a key may be without counting.
const shortKey = 32

// releaseForms has r keep no encoded forms: it is history from now on, and is encoded anew for
// each subscriber that asks for it. It does not wait for an encoding under way.
func (r *Record) releaseForms() {
	r.cold.Store(true)
	r.forms.first.Store(nil)
}

// encoded returns the record in an encoding; nil if that has no form for it.
func (r *Record) encoded(h *Hub, id encodingID) Encoded {
	if f := r.forms.get(id); f != nil {
		return f.encoded
	}
	if r.cold.Load() {
		return r.encode(h.encodings.get(id))
	}
	r.forms.mu.Lock()
	defer r.forms.mu.Unlock()
	if f := r.forms.get(id); f != nil {
		return f.encoded
	}
	e := r.encode(h.encodings.get(id))
	r.forms.addLocked(form{id: id, messages: 1, encoded: e})
	if r.cold.Load() { // since then
		r.forms.first.Store(nil)
	}
	return e
}

func (r *Record) encode(e Encoding) Encoded {
	if r.event != nil {
		return e.EncodeEvent(r.event)
	}
	return e.Encode(r)
}

// Position is a place in a topic: after the message with that offset. Offsets have a
// meaning only together with their epoch: it changes when a topic begins anew. Those of
// a pattern count the messages of all its topics since the pattern exists; they are not
// the Record.Offset of these.
type Position struct {
	Epoch  uint64
	Offset uint64
}

// String returns the position as ParsePosition takes it, EPOCH:OFFSET.
func (p Position) String() string {
	return strconv.FormatUint(p.Epoch, 36) + ":" + strconv.FormatUint(p.Offset, 10)
}

// MarshalText is String.
func (p Position) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText is ParsePosition.
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
		return Position{}, fmt.Errorf("hub: %q is no position: it is EPOCH:OFFSET, as the server told it", s)
	}
	return Position{e, o}, nil
}

// TooOldError says that what was published after a position is not held any more, or
// that the topic has begun anew since then.
type TooOldError struct {
	Asked  Position
	Oldest Position // from here on all is held
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
