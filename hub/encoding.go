package hub

import (
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
)

// Encoding turns messages and events into the bytes of one protocol. Each subscription has an
// encoding, and a topic serves subscriptions with any number of encodings. A record is encoded
// once for each encoding in use, and a batch is joined once, when the first subscriber needs it.
//
// An Encoding has no state, and its dynamic type is comparable: equal encodings share their
// bytes. A hub supports up to 255 encodings. The methods are called from any goroutine, under a
// lock of the record, so they must not call the hub. They must not modify their arguments. A
// panic is logged, and counts as the result nil, so that the topic's fan-out continues.
type Encoding interface {
	// Encode returns the bytes of a record. It returns nil if the encoding has no form for the
	// record; subscribers with this encoding then do not get it.
	Encode(r *Record) Encoded
	// EncodeEvent returns the bytes of an event, nil if the encoding has no form for it.
	EncodeEvent(e *Event) Encoded
	// Join returns two or more results of Encode and EncodeEvent combined, to be sent with a
	// single write in this order. It must not retain the slice all.
	Join(all []Encoded) Encoded
}

// Encoded is a message, an event, or several in a row, as made by an [Encoding]. It does not
// change, and any number of subscribers share it. A [Subscriber] knows the types that its
// encodings return.
type Encoded any

// EventKind says what an [Event] is about.
type EventKind uint8

const (
	// PresenceEvent says that people have joined or left a topic.
	PresenceEvent EventKind = iota
	// DropEvent says that a subscriber did not get messages of a topic.
	DropEvent
	// EndEvent says that a subscription has ended.
	EndEvent
)

// Event is what a topic tells its subscribers besides messages.
type Event struct {
	Kind  EventKind
	Topic string

	// Joined and Left are set for a PresenceEvent; one of the two may be empty. Joined may
	// contain a person who is present already, with new Data. In Left no person has Data.
	Joined, Left []Person
	// Messages is the number of dropped messages of a DropEvent.
	Messages int64
	// Reason is set for an EndEvent.
	Reason CloseReason
}

// ErrNoEncoding is wrapped by the error of Subscribe if SubscribeOptions.Encoding is nil or
// cannot be used.
var ErrNoEncoding = errors.New("hub: SubscribeOptions.Encoding is nil or cannot be used")

// encodingID identifies an encoding in its hub; 0 means none.
type encodingID uint8

// encodings are the encodings in use in a hub. The ID of an encoding is its index plus one, and
// never changes.
type encodings struct {
	mu  sync.Mutex // taken to add an encoding
	all atomic.Pointer[[]Encoding]
}

// id returns the ID of e, which it adds if it is new.
func (es *encodings) id(e Encoding) (encodingID, error) {
	if e == nil {
		return 0, fmt.Errorf("%w: it is nil; for WebSockets use wshub.Plain or wshub.NewEncoding", ErrNoEncoding)
	}
	if !reflect.ValueOf(e).Comparable() {
		return 0, fmt.Errorf("%w: %T is not comparable, so subscriptions could not share bytes", ErrNoEncoding, e)
	}
	if i := es.index(e); i >= 0 {
		return encodingID(i + 1), nil
	}
	es.mu.Lock()
	defer es.mu.Unlock()
	if i := es.index(e); i >= 0 {
		return encodingID(i + 1), nil
	}
	var all []Encoding
	if old := es.all.Load(); old != nil {
		all = slices.Clip(*old)
	}
	if len(all) == 255 {
		return 0, fmt.Errorf("%w: the hub has 255 encodings already; subscriptions of one protocol must use equal values", ErrNoEncoding)
	}
	all = append(all, e)
	es.all.Store(&all)
	return encodingID(len(all)), nil
}

func (es *encodings) index(e Encoding) int {
	if all := es.all.Load(); all != nil {
		return slices.Index(*all, e)
	}
	return -1
}

func (es *encodings) get(id encodingID) Encoding { return (*es.all.Load())[id-1] }

// join calls e.Join.
func join(e Encoding, all []Encoded) (joined Encoded) {
	defer recoverEncoding(e)
	return e.Join(all)
}

// recoverEncoding, deferred, logs a panic of e. If it ended the fan-out pass instead, the shard
// would never finish that pass, and its publishers would wait forever.
func recoverEncoding(e Encoding) {
	if v := recover(); v != nil {
		slog.Error("hub: an encoding panicked", "encoding", fmt.Sprintf("%T", e), "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
	}
}

// form is a record or a batch in one encoding.
type form struct {
	id       encodingID
	messages int     // in encoded
	encoded  Encoded // nil if the encoding has no form for any of it
	next     *form
}

// forms are the forms that a record or a batch has so far: a short list, since few encodings are
// in use.
type forms struct {
	mu    sync.Mutex // held while a form is made, so that it is made once
	first atomic.Pointer[form]
}

// get returns the form in an encoding, nil if there is none yet.
func (fs *forms) get(id encodingID) *form {
	for f := fs.first.Load(); f != nil; f = f.next {
		if f.id == id {
			return f
		}
	}
	return nil
}

// addLocked adds a form. The caller holds mu.
func (fs *forms) addLocked(f form) *form {
	f.next = fs.first.Load()
	fs.first.Store(&f)
	return &f
}
