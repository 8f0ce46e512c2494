package hub

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/fanfare-ws/fanfare/wsproto"
)

// Message is what is published.
type Message struct {
	*wsproto.Prepared            // one message
	Key               string     // of topics that conflate: what it is the latest about; else without meaning
	Except            Subscriber // does not get it; nil for nobody
	// JSON is true if the payload is meant as JSON, and is valid. Its bytes cannot
	// tell: 1 is a text as well. It is for Options.Wrap; nobody else looks at it.
	JSON bool
}

// Record is a message that has its place in a topic. It does not change.
type Record struct {
	Message
	Topic  string
	Offset uint64 // in Topic, from 1
	at     int64  // milliseconds since 1970

	wrapped atomic.Pointer[wsproto.Prepared]
	cold    atomic.Bool // it is history, and keeps no encoded forms
}

// Time returns when the message was published, in milliseconds.
func (r *Record) Time() time.Time { return time.UnixMilli(r.at) }

// cost is what the record counts for in limits, in bytes.
func (r *Record) cost() uint64 { return uint64(r.Len() + max(0, len(r.Key)-shortKey) + entryCost) }

// shortKey is how long a key may be without counting.
const shortKey = 32

// chill has r keep nothing but what was published: it is history from now on, which is
// encoded anew for those who ask for it.
func (r *Record) chill() {
	r.cold.Store(true)
	r.wrapped.Store(nil)
	r.Prepared.Forget()
}

// format is how a subscriber gets messages.
type format uint8

const (
	plain format = iota
	wrapped
	formats
)

// prepared returns the record in one of its formats.
func (r *Record) prepared(f format, wrap func(*Record) *wsproto.Prepared) *wsproto.Prepared {
	cold := r.cold.Load()
	switch {
	case (f == plain || wrap == nil) && cold:
		return r.Prepared.Clone()
	case f == plain || wrap == nil:
		return r.Prepared
	case cold:
		return wrap(r)
	}
	p := r.wrapped.Load()
	if p != nil {
		return p
	}
	p = wrap(r)
	if !r.wrapped.CompareAndSwap(nil, p) { // whoever is second has done it in vain, and nothing else
		if first := r.wrapped.Load(); first != nil {
			return first
		}
	}
	if r.cold.Load() { // since then
		r.wrapped.Store(nil)
	}
	return p
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
