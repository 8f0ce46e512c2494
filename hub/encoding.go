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

// EncodingChecker is a [Subscriber] that supports only some encodings.
type EncodingChecker interface {
	// CheckEncoding returns nil if Send can take what e makes, and otherwise the reason, which
	// Subscribe returns.
	CheckEncoding(e Encoding) error
}

// ErrNoEncoding is wrapped by the error of Subscribe if SubscribeOptions.Encoding is nil or
// cannot be used.
var ErrNoEncoding = errors.New("hub: SubscribeOptions.Encoding is nil or cannot be used")

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
	if len(all) == maxEncodings {
		return 0, fmt.Errorf("%w: the hub has %d encodings already; subscriptions of one protocol must use equal values", ErrNoEncoding, maxEncodings)
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

// encoded returns the record in an encoding, or nil if the encoding has no form for it.
func (r *Record) encoded(es *encodings, id encodingID) Encoded {
	if f := r.forms.get(id); f != nil {
		return f.encoded
	}
	if r.cold.Load() {
		return r.encode(es.get(id))
	}
	r.forms.mu.Lock()
	defer r.forms.mu.Unlock()
	if f := r.forms.get(id); f != nil {
		return f.encoded
	}
	e := r.encode(es.get(id))
	r.forms.addLocked(form{id: id, messages: 1, encoded: e})
	if r.cold.Load() { // releaseForms was called during the encoding
		r.forms.first.Store(nil)
	}
	return e
}

func (r *Record) encode(e Encoding) (encoded Encoded) {
	defer recoverEncoding(e)
	if r.event != nil {
		return e.EncodeEvent(r.event)
	}
	return e.Encode(r)
}
