// Package revoke has the tokens that have been revoked before they expire: those of a user, one by its name, or all that
// were issued until a time. Users and names are hashes with a secret key.
//
// An entry is kept until all the tokens that it concerns have expired, and the table is full before it forgets one. A clock that is set
// forward, and back again, does not end an entry: it ends when both the wall clock and the time that the process has
// run say so.
//
// The lock is a leaf. Look-ups take it only if anything has been revoked, and share it.
package revoke

import (
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// Kind is what an entry is about.
type Kind uint8

// The kinds.
const (
	User Kind = iota // all tokens of a user
	ID               // one token
	All              // all tokens; the hash does not matter
)

// ErrFull is returned if the table has as many entries as are allowed.
var ErrFull = errors.New("as many as are allowed, and none has ended; revoke all tokens that were issued until now instead")

// Entry is what is revoked: the tokens that were issued until IssuedUntil, a time in seconds since 1970. Tokens that do
// not say when they were issued are the oldest. IssuedUntil does not matter for a single token.
type Entry struct {
	Kind        Kind
	Hash        uint64
	IssuedUntil int64
	Keep        time.Time // when all of these tokens have expired
}

type key struct {
	hash uint64
	kind Kind
}

type value struct {
	issued int64
	keep   int64         // until when, on the wall clock, in seconds since 1970
	run    time.Duration // the same in the time that the process has run
}

// Table has the entries. Its methods may be called by any goroutine.
type Table struct {
	wall func() time.Time
	run  func() time.Duration

	n     atomic.Int64 // the number of entries
	mu    sync.RWMutex
	m     map[key]value
	swept time.Duration
}

// New returns an empty table with the clocks: the wall clock, and the time that the process has run, which never jumps; nil
// means that of time.Since.
func New(wall func() time.Time, run func() time.Duration) *Table {
	if run == nil {
		begin := time.Now()
		run = func() time.Duration { return time.Since(begin) }
	}
	return &Table{wall: wall, run: run, m: make(map[key]value)}
}

// Add adds an entry, unless the table has as many as most. An entry that exists is extended.
func (t *Table) Add(e Entry, most int) error {
	now, run := t.wall(), t.run()
	k := key{e.Hash, e.Kind}
	if e.Kind == All {
		k.hash = 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sweep(now, run, most)
	old, exists := t.m[k]
	if !exists && len(t.m) >= most {
		return fmt.Errorf("there are %d revocations, %w", len(t.m), ErrFull)
	}
	v := value{e.IssuedUntil, e.Keep.Add(time.Second - 1).Unix(), run + e.Keep.Sub(now)}
	if exists {
		v = value{max(v.issued, old.issued), max(v.keep, old.keep), max(v.run, old.run)}
	}
	t.m[k] = v
	t.n.Store(int64(len(t.m)))
	return nil
}

// sweepEvery is the time between two sweeps of a table that is not full.
const sweepEvery = time.Minute

// sweep removes the entries that have ended, once a minute, or if the table is full once a second.
func (t *Table) sweep(now time.Time, run time.Duration, most int) {
	pause := sweepEvery
	if len(t.m) >= most {
		pause = time.Second
	}
	if run-t.swept < pause {
		return
	}
	t.swept = run
	maps.DeleteFunc(t.m, func(_ key, v value) bool { return now.Unix() >= v.keep && run >= v.run })
}

// Has reports whether a token is revoked that has that user and ID, which are 0 for none, and was issued at that time in
// seconds since 1970, which is 0 if it does not say.
func (t *Table) Has(user, id uint64, issued int64) bool {
	if t.n.Load() == 0 {
		return false
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	if id != 0 {
		if _, ok := t.m[key{id, ID}]; ok {
			return true
		}
	}
	return t.until(key{user, User}, issued) && user != 0 || t.until(key{0, All}, issued)
}

func (t *Table) until(k key, issued int64) bool {
	v, ok := t.m[k]
	return ok && issued <= v.issued
}

// Len returns the number of entries.
func (t *Table) Len() int { return int(t.n.Load()) }
