package rate

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// shard has some of the keys. Each key has an entry, and each entry an item in idle.
type shard[K Key] struct {
	mu      sync.Mutex
	now     func() time.Duration
	most    int // keys
	index   map[K]int32
	entries []entry[K]
	free    []int32 // entries without a key
	idle    idleHeap
	shared  time.Duration // when the credit of keys without an entry is full
	stats   Stats
	_       [64]byte // other shards' locks are in other cache lines
}

type entry[K Key] struct {
	key  K
	full time.Duration // when the key's credit is full
}

func (s *shard[K]) init(most int, now func() time.Duration) {
	s.most, s.now, s.index = most, now, make(map[K]int32)
}

// take reads prices under the lock, so that no entry is paid at old ones after forgive.
func (s *shard[K]) take(key K, n int, prices *atomic.Pointer[prices]) (wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, full := s.now(), s.shared
	at, known := s.index[key]
	if known {
		full = s.entries[at].full
	}
	next, wait := prices.Load().pay(full, now, n)
	if wait > 0 {
		s.stats.Refused++
		return wait
	}
	s.stats.Taken++
	switch {
	case known:
		s.entries[at].full = next
	case next > now:
		s.add(key, next, now)
	}
	return 0
}

// add keeps the state of a new key, if there is room.
func (s *shard[K]) add(key K, full, now time.Duration) {
	s.removeIdle(now)
	if len(s.index) >= s.most {
		s.stats.Shared++
		s.shared = full
		return
	}
	at := int32(len(s.entries))
	if n := len(s.free); n > 0 {
		at, s.free = s.free[n-1], s.free[:n-1]
	} else {
		s.entries = append(s.entries, entry[K]{})
	}
	key = own(key)
	s.entries[at] = entry[K]{key, full}
	s.index[key] = at
	s.idle.push(idleItem{full, at})
}

// own returns a copy of a name, which may be a part of a large message.
func own[K Key](key K) K {
	if name, ok := any(key).(string); ok {
		return any(strings.Clone(name)).(K)
	}
	return key
}

const (
	maxRemoved = 2           // keys that a new one removes
	maxSteps   = 16          // looks at the heap that a new key takes
	keepIdle   = time.Minute // so that a key that pays now and then is not copied each time
)

// removeIdle removes some keys that have been idle for keepIdle or, if there is no room, since now. An item says when
// its key was going to be idle when the item was looked at last. Since then the key may have paid for more, so it is
// idle at that time or later.
func (s *shard[K]) removeIdle(now time.Duration) {
	since, removed := now-keepIdle, 0
	if len(s.index) >= s.most {
		since = now
	}
	for step := 0; step < maxSteps && removed < maxRemoved && len(s.idle) > 0 && s.idle[0].at <= since; step++ {
		top := s.idle[0]
		if e := &s.entries[top.entry]; e.full > since {
			s.idle[0].at = e.full
			s.idle.down()
			continue
		}
		s.remove(top.entry)
		removed++
	}
}

// remove removes the key of the first item.
func (s *shard[K]) remove(at int32) {
	delete(s.index, s.entries[at].key)
	s.entries[at] = entry[K]{}
	s.free = append(s.free, at)
	s.idle.pop()
}

// forgive reduces what keys have used to a burst.
func (s *shard[K]) forgive(burst time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	most := s.now() + burst
	s.shared = min(s.shared, most)
	for i := range s.entries {
		s.entries[i].full = min(s.entries[i].full, most)
	}
	for i := range s.idle { // which remains a heap
		s.idle[i].at = min(s.idle[i].at, most)
	}
}

func (s *shard[K]) addTo(sum *Stats) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sum.Taken += s.stats.Taken
	sum.Refused += s.stats.Refused
	sum.Shared += s.stats.Shared
	sum.Keys += len(s.index)
}
