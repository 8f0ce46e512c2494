// Package idempotency remembers the receipts of messages that were published with an idempotency key, so that a publisher
// that sends a message again, because it has not got the answer, gets the same receipt, and nothing is published twice.
//
// # Keys
//
// A key belongs to a scope, which is the publisher, and to a topic. So no publisher can suppress a message of another one.
// While the first call with a key is under way, others with it wait for its result. If it fails, the next one of them
// publishes, or a later one if none waits. A call with the same key and another message gets [ErrReused].
//
// # When a message is published twice
//
// The table keeps receipts, so it knows of nothing that it has no receipt of:
//
//   - A call that fails leaves nothing behind, whatever the error. After [hub.ErrUnacknowledged] the broker may have published
//     the message or not. The next call with its key publishes it, perhaps for the second time, unless the message has an ID
//     and the broker still knows it. To refuse that call would lose the message if the broker has not published it.
//   - Each process has a table of its own. If several nodes share a [hub.Broker], a call that is made again at another node is
//     a first call there. With [Call.ID] as its hub.Message.ID, the broker recognises the message for half a minute, and gives
//     its receipt again, with the subscribers of the other node.
//   - A receipt is gone when the process ends, after Options.Window, or before that if there are too many: see below.
//
// # Memory
//
// A receipt is kept for Options.Window. There are at most Options.MaxKeys of them, and at most a quarter of one owner. Beyond
// its quarter an owner loses its oldest receipt. If all owners together have too many, the one with the most receipts loses
// its oldest. So an owner that publishes at a high rate shortens the time for its own receipts, and not for those of owners
// with few. Stats.Forgotten counts these losses, and Options.Logger gets a line about them at most once in ten seconds.
//
// A receipt costs about 150 bytes, and the first one of an owner twice that, whatever the size of key and message, of which
// the table has hashes. Calls under way cost what their callers hold anyway. Receipts that are too old are not used. Each call
// and each call of Stats forgets a few of them.
//
// # Concurrency
//
// All methods may be called from any goroutine. The lock is held for look-ups and a bounded number of changes, and not while
// anything is published or logged.
package idempotency

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/netpoll/paced"
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
	Logger  *slog.Logger     // gets what an operator must know; slog.Default() if nil
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
	early paced.Log

	mu       sync.Mutex
	pending  map[hash]*pending
	receipts map[hash]*receipt
	owners   owners
	all      list[receipt] // the oldest first
	stats    Stats
}

// Stats are counters of a [Table].
type Stats struct {
	Kept      int   `json:"kept"`      // receipts now, among them perhaps some that are too old
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
	inAll, inOwn link[receipt]
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
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return &Table{
		opts: o, began: o.Now(), pending: make(map[hash]*pending), receipts: make(map[hash]*receipt),
		owners: owners{byName: make(map[string]*owner)},
	}
}

// Options returns the options in force.
func (t *Table) Options() Options { return t.opts }

// Stats returns the counters.
func (t *Table) Stats() Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.expireLocked(t.now())
	s := t.stats
	s.Kept = len(t.receipts)
	return s
}

// Do calls publish, which must call its argument once, from any goroutine, and done with the result. If there was a call
// with the same key before, it does not call publish, and done gets the result of that. done must not block.
func (t *Table) Do(c *Call, publish func(done func(hub.Receipt, error)), done func(hub.Receipt, error)) {
	key, message := c.hashes()
	t.mu.Lock()
	now := t.now()
	t.expireLocked(now)
	p, r := t.pending[key], t.findLocked(key, now)
	switch {
	case p != nil && p.message == message:
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
	var early *receipt
	t.mu.Lock()
	p := t.pending[key]
	others := p.waiting
	switch {
	case err == nil:
		delete(t.pending, key)
		t.stats.Replayed += int64(len(others))
		early = t.keepLocked(&receipt{key: key, message: p.message, receipt: rc}, w.owner)
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
	t.warn(early)
}

// hashes returns what identifies the call and its message.
// ID returns an ID for the message, which depends on all that a call is recognised by, and on the message: see
// hub.Message.ID.
func (c *Call) ID() string {
	key, message := c.hashes()
	return base64.RawURLEncoding.EncodeToString(append(key[:], message[:]...))
}

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
