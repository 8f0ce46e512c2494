package hub

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
)

// Encoding turns what is published into the bytes of one protocol. Each subscription has
// one, and a topic serves subscriptions with any number of encodings: a record is encoded
// once for each encoding in use, and a batch joined once, when the first subscriber needs it.
//
// An Encoding has no state, and its dynamic type is comparable: two that are equal share
// their bytes. A hub knows 255 encodings at most. The methods are called from any goroutine,
// under a lock of the record, so they must not call the hub, and must not panic. What they
// are given must not be changed.
type Encoding interface {
	// Encode returns a record; nil if the encoding has no form for it, and then
	// subscribers with this encoding do not get it.
	Encode(r *Record) Encoded
	// EncodeEvent returns an event; nil if the encoding has no form for it.
	EncodeEvent(e *Event) Encoded
	// Join returns two or more of what Encode and EncodeEvent returned, to be sent in a
	// single write in this order. all is the hub's again when it returns.
	Join(all []Encoded) Encoded
}

// Encoded is a message, an event, or several in a row, as an [Encoding] has made it. It
// does not change, and any number of subscribers share it. A [Subscriber] knows the type
// that its encodings return.
type Encoded interface {
	Len() int // bytes
}

// EventKind says what an [Event] is about.
type EventKind uint8

const (
	// PresenceEvent tells that members have joined or left a topic.
	PresenceEvent EventKind = iota
	// DropEvent tells a subscriber that it does not get messages of a topic.
	DropEvent
	// EndEvent tells a subscriber that its subscription has ended.
	EndEvent
)

// Event is what a topic has to tell that is not a message.
type Event struct {
	Kind  EventKind
	Topic string

	// Joined and Left are those of a PresenceEvent; one of the two may be empty. Joined
	// may name a person who is known already, with other data; Left has no data.
	Joined, Left []Person
	// Messages is the number of messages of a DropEvent.
	Messages int64
	// Reason is that of an EndEvent.
	Reason CloseReason
}

// ErrNoEncoding is wrapped by what Subscribe returns if there is no usable encoding.
var ErrNoEncoding = errors.New("hub: SubscribeOptions.Encoding is missing or cannot be used")

// encodingID is the number of an encoding in its hub; 0 for none.
type encodingID uint8

// encodings are those in use in a hub; each has its place, from 1, for good.
type encodings struct {
	mu  sync.Mutex // for those that add one
	all atomic.Pointer[[]Encoding]
}

// id returns the number of e, which it adds.
func (es *encodings) id(e Encoding) (encodingID, error) {
	if e == nil {
		return 0, fmt.Errorf("%w: it is nil; package wshub has one for WebSockets, Plain", ErrNoEncoding)
	}
	if !reflect.ValueOf(e).Comparable() {
		return 0, fmt.Errorf("%w: %T is not comparable, so no two subscriptions could share their bytes", ErrNoEncoding, e)
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
		return 0, fmt.Errorf("%w: there are 255 already; subscriptions of one protocol share an equal value", ErrNoEncoding)
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

// form is a record, or a batch, in one encoding.
type form struct {
	id       encodingID
	messages int     // in encoded
	encoded  Encoded // nil if the encoding has no form for any of it
	next     *form
}

// forms are the forms that a record or a batch has so far. There are as many as encodings
// in use, few.
type forms struct {
	mu    sync.Mutex // held while one is made, so that it is made once
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

// addLocked keeps a form. Called under mu.
func (fs *forms) addLocked(f form) *form {
	f.next = fs.first.Load()
	fs.first.Store(&f)
	return &f
}
