package conns

import (
	"math"
	"sync/atomic"
	"time"
)

// Registry has the connections. Its methods may be called by any goroutine.
type Registry struct {
	now    func() time.Time
	shards [shards]shard

	wake  atomic.Uint32 // when the goroutine looks again; math.MaxUint32 if it does not sleep or has no reason to look
	woken chan struct{} // has one item if it has to look earlier
	stop  chan struct{}
	done  chan struct{}

	expired, ended atomic.Uint64
}

const (
	shardBits = 4
	shards    = 1 << shardBits
)

// Handle is a connection's place. 0 is none. Only its owner uses it, once at a time.
type Handle uint32

// Conn is a connection as it is added. All of its times are rounded to seconds.
type Conn struct {
	Target   Target
	User, ID uint64    // hashes; 0 for none
	Issued   time.Time // of the token; zero counts as the oldest
	NoToken  bool      // there is no token, so it cannot be selected by its age
	Expires  time.Time // zero for never
}

// anyTime is Filter.until for all connections.
const anyTime = math.MaxUint32

func (c *Conn) entry() entry {
	e := entry{target: c.Target, user: c.User, id: c.ID, issued: seconds(c.Issued), token: !c.NoToken}
	if !c.Expires.IsZero() {
		e.expires = max(1, seconds(c.Expires.Add(time.Second-1)))
	}
	return e
}

// seconds returns the time in full seconds since 1970, until 2106.
func seconds(t time.Time) uint32 {
	if t.IsZero() {
		return 0
	}
	return uint32(min(max(t.Unix(), 0), anyTime-1))
}

// New returns a registry. It must be started, and closed.
func New(now func() time.Time) *Registry {
	r := &Registry{now: now, woken: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
	r.wake.Store(math.MaxUint32)
	return r
}

// Start begins to end connections that expire.
func (r *Registry) Start() { go r.run() }

// Close ends the goroutine of Start, and waits for that. No connection is ended.
func (r *Registry) Close() {
	close(r.stop)
	<-r.done
}

// Add adds a connection. It returns false if its user has as many connections as most, which is unlimited if it is 0.
func (r *Registry) Add(c Conn, most int) (Handle, bool) {
	i := r.shardOf(&c)
	e := c.entry()
	at, ok := r.shards[i].add(e, most)
	if !ok {
		return 0, false
	}
	r.rouse(e.expires)
	return Handle((at+1)<<shardBits | i), true
}

// shardOf returns the shard of a user, or any one for a connection without.
func (r *Registry) shardOf(c *Conn) uint32 {
	if c.User != 0 {
		return uint32(c.User % shards)
	}
	return uint32(c.ID % shards)
}

// Renew takes another token for a connection: all but the target and the user. It reports whether the user is the same.
func (r *Registry) Renew(h Handle, c Conn) bool {
	e := c.entry()
	if !r.shards[h%shards].renew(uint32(h>>shardBits)-1, e) {
		return false
	}
	r.rouse(e.expires)
	return true
}

// Remove removes a connection. The handle must not be used again. 0 is ignored.
func (r *Registry) Remove(h Handle) {
	if h != 0 {
		r.shards[h%shards].remove(uint32(h>>shardBits) - 1)
	}
}

// Conns returns the number of connections of a user.
func (r *Registry) Conns(user uint64) int {
	s := &r.shards[user%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.users.of(user)
}

// Filter selects connections.
type Filter struct {
	User, ID uint64    // if not 0, those with that user or ID
	Until    time.Time // if not zero, those with a token that was issued then or earlier

	until uint32
}

func (f *Filter) selects(c *chunk, i uint32) bool {
	if f.User != 0 && c.users.get(i) != f.User || f.ID != 0 && c.ids.get(i) != f.ID {
		return false
	}
	if c.tokened&(1<<i) == 0 {
		return f.until == anyTime || f.User != 0
	}
	return c.issued.get(i) <= f.until
}

// End ends the connections that the filter selects, and returns how many it has found. It looks at all connections, or
// at a sixteenth if it looks for a user.
func (r *Registry) End(f Filter, why Reason) (n int) {
	n = r.Each(f, func(t Target) { t.End(why) })
	r.ended.Add(uint64(n))
	return n
}

// Each calls do for the targets of the connections that End would end, without a lock, and returns their number.
func (r *Registry) Each(f Filter, do func(Target)) (n int) {
	if f.until = anyTime; !f.Until.IsZero() {
		f.until = seconds(f.Until)
	}
	all := r.shards[:]
	if f.User != 0 {
		all = all[f.User%shards:][:1]
	}
	batch := make([]Target, 0, batchSize)
	for i := range all {
		n += each(do, batch, func(at int, batch []Target) ([]Target, int) { return all[i].matching(&f, at, batch) })
	}
	return n
}

// each calls do for what collect returns, batch by batch, and returns how many there are.
func each(do func(Target), batch []Target, collect func(at int, batch []Target) ([]Target, int)) (n int) {
	for at := 0; at >= 0; {
		batch, at = collect(at, batch[:0])
		for _, t := range batch {
			do(t)
		}
		n += len(batch)
		clear(batch)
	}
	return n
}

// Stats are figures of a registry.
type Stats struct {
	Conns    int    // that have a user or a token
	Users    int    // that are connected
	Expiring int    // connections that can expire
	Expired  uint64 // connections that have
	Ended    uint64 // connections that were ended by a revocation
}

// Stats returns the figures.
func (r *Registry) Stats() Stats {
	all := Stats{Expired: r.expired.Load(), Ended: r.ended.Load()}
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		all.Conns, all.Users, all.Expiring = all.Conns+s.count, all.Users+s.users.n, all.Expiring+s.expiring
		s.mu.Unlock()
	}
	return all
}
