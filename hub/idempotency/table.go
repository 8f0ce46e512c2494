// Package idempotency remembers the receipts of messages that were published with an idempotency key, so that a publisher
// that sends a message again, because it has not got the answer, gets the same receipt, and nothing is published twice.
//
// # Keys
//
// A key belongs to a scope, which is the publisher, and to a topic. So no publisher can suppress a message of another one.
// While the first call with a key is under way, others with it wait for its result. If it fails, the next one of them
// publishes, or a later one if none waits. A call with the same key and another message gets [ErrReused].
//
// # Memory
//
// A receipt is kept for Options.Window. There are at most Options.MaxKeys of them, and at most a quarter of one owner: beyond
// that the oldest is forgotten, that of the owner or of all. A receipt costs about 150 bytes, and the first one of an owner
// twice that, whatever the size of key and message, of which the table has hashes. Calls under way cost what their callers
// hold anyway.
//
// # Concurrency
//
// All methods may be called from any goroutine. The lock is held for look-ups only, and not while anything is published.
package idempotency

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"sync"
	"time"

	"github.com/fanfare-ws/fanfare/hub"
)

// ErrReused is the error of a call whose key was used for another message.
var ErrReused = errors.New("the idempotency key was used for another message: choose a key for each message")

// The defaults of Options.
const (
	DefaultWindow  = 5 * time.Minute
	DefaultMaxKeys = 65536
)

// Options configure a [Table]. 0 means the default.
type Options struct {
	Window  time.Duration    // for which a receipt is kept
	MaxKeys int              // receipts that are kept
	Now     func() time.Time // time.Now if nil
}

// Call is a message that is to be published once.
type Call struct {
	Scope string // of the key: the publisher
	Owner string // to whose share the receipt belongs; best a user or an address
	Topic string
	Key   string
	// Message is compared with that of earlier calls: its data, kind and key.
	Message hub.Message
}

// Table has receipts by key.
type Table struct {
	opts  Options
	began time.Time

	mu       sync.Mutex
	pending  map[hash]*pending
	receipts map[hash]*receipt
	owners   map[string]*owner
	all      list
	stats    Stats
}

// Stats are counters of a [Table].
type Stats struct {
	Kept      int   `json:"kept"`      // receipts now
	Replayed  int64 `json:"replayed"`  // calls that got the receipt of an earlier one
	Reused    int64 `json:"reused"`    // calls that got ErrReused
	Forgotten int64 `json:"forgotten"` // receipts that were dropped before Options.Window was over, as there were too many
}

// hash identifies a scope, topic and key, or a message.
type hash [16]byte

// pending is a call under way, with those that wait for its result.
type pending struct {
	message hash
	waiting []waiting
}

type waiting struct {
	owner   string
	publish func(done func(hub.Receipt, error))
	done    func(hub.Receipt, error)
}

// receipt is the result of a call.
type receipt struct {
	key, message hash
	receipt      hub.Receipt
	until        time.Duration // since Table.began
	owner        *owner
	inAll, inOwn link
}

// owner has the receipts of one owner.
type owner struct {
	name string
	own  list
	n    int
}

// New returns an empty table.
func New(o Options) *Table {
	if o.Window <= 0 {
		o.Window = DefaultWindow
	}
	if o.MaxKeys <= 0 {
		o.MaxKeys = DefaultMaxKeys
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Table{
		opts: o, began: o.Now(), pending: make(map[hash]*pending), receipts: make(map[hash]*receipt), owners: make(map[string]*owner),
	}
}

// Options returns the options in force.
func (t *Table) Options() Options { return t.opts }

// Stats returns the counters.
func (t *Table) Stats() Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.stats
	s.Kept = len(t.receipts)
	return s
}

// Do calls publish, which must call its argument once, from any goroutine, and done with the result. If there was a call
// with the same key before, it does not call publish, and done gets the result of that. done must not block.
func (t *Table) Do(c *Call, publish func(done func(hub.Receipt, error)), done func(hub.Receipt, error)) {
	key, message := c.hashes()
	t.mu.Lock()
	t.expireLocked()
	p, r := t.pending[key], t.receipts[key]
	switch {
	case p != nil && p.message == message:
		t.stats.Replayed++
		p.waiting = append(p.waiting, waiting{c.Owner, publish, done})
		t.mu.Unlock()
	case p != nil || r != nil && r.message != message:
		t.stats.Reused++
		t.mu.Unlock()
		done(hub.Receipt{}, ErrReused)
	case r != nil:
		t.stats.Replayed++
		rc := r.receipt
		t.mu.Unlock()
		done(rc, nil)
	default:
		t.pending[key] = &pending{message: message}
		t.mu.Unlock()
		t.publish(key, waiting{c.Owner, publish, done})
	}
}

// publish publishes the message of a call. If that panics the call has failed, so that others with its key do not wait for ever.
func (t *Table) publish(key hash, w waiting) {
	var once sync.Once
	finish := func(rc hub.Receipt, err error) { once.Do(func() { t.finish(key, w, rc, err) }) }
	returned := false
	defer func() {
		if !returned {
			finish(hub.Receipt{}, errPanicked)
		}
	}()
	w.publish(finish)
	returned = true
}

var errPanicked = errors.New("hub: the publication of a message with an idempotency key has panicked")

// finish ends a call that is under way. If it has failed, the next one that waits is under way.
func (t *Table) finish(key hash, w waiting, rc hub.Receipt, err error) {
	t.mu.Lock()
	p := t.pending[key]
	others := p.waiting
	switch {
	case err == nil:
		delete(t.pending, key)
		t.keepLocked(&receipt{key: key, message: p.message, receipt: rc}, w.owner)
	case len(others) > 0:
		p.waiting = others[1:]
	default:
		delete(t.pending, key)
	}
	t.mu.Unlock()
	w.done(rc, err)
	switch {
	case err == nil:
		for _, other := range others {
			other.done(rc, nil)
		}
	case len(others) > 0:
		go t.publish(key, others[0]) // who has reported the failure must not wait for it
	}
}

// hashes returns what identifies the call and its message.
func (c *Call) hashes() (key, message hash) {
	h := sha256.New()
	put := func(s string) {
		var n [8]byte
		binary.LittleEndian.PutUint64(n[:], uint64(len(s)))
		h.Write(n[:])
		h.Write([]byte(s))
	}
	put(c.Scope)
	put(c.Topic)
	put(c.Key)
	copy(key[:], h.Sum(nil))
	h.Reset()
	h.Write([]byte{byte(c.Message.Kind)})
	put(c.Message.Key)
	h.Write(c.Message.Data)
	copy(message[:], h.Sum(nil))
	return key, message
}
