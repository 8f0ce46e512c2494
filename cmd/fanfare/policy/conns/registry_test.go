package conns

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// conn is a connection that counts how often it was ended, and why.
type conn struct {
	ended atomic.Int32
	why   atomic.Int32
}

func (c *conn) End(why Reason) {
	c.ended.Add(1)
	c.why.Store(int32(why))
}

// clock is a wall clock that can be set.
type clock struct{ offset atomic.Int64 }

func (c *clock) now() time.Time       { return time.Unix(1e9, 0).Add(time.Duration(c.offset.Load())) }
func (c *clock) move(d time.Duration) { c.offset.Add(int64(d)) }

// in returns the time of a clock after d.
func (c *clock) in(d time.Duration) time.Time { return c.now().Add(d) }

func add(t testing.TB, r *Registry, c Conn) Handle {
	t.Helper()
	h, ok := r.Add(c, 0)
	if !ok || h == 0 {
		t.Fatalf("not added: %v %v", h, ok)
	}
	return h
}

// A clock that jumps by an hour ends exactly those connections that have expired by then, each once, and one that goes back brings
// none back.
func TestClockJumps(t *testing.T) {
	var k clock
	r := New(k.now)
	const n = 1000
	all := make([]*conn, n)
	for i := range all {
		all[i] = new(conn)
		c := Conn{Target: all[i], User: uint64(i % 50), ID: uint64(i), Expires: k.in(time.Duration(i+1) * 10 * time.Second)}
		if i%10 == 0 {
			c.Expires = time.Time{}
		}
		add(t, r, c)
	}
	check := func(until int) {
		t.Helper()
		want := 0
		for i, c := range all {
			expired := i%10 != 0 && i < until
			if expired {
				want++
			}
			if (c.ended.Load() == 1) != expired || c.ended.Load() > 1 || expired && Reason(c.why.Load()) != Expired {
				t.Fatalf("connection %d of %d was ended %d times", i, until, c.ended.Load())
			}
		}
		if s := r.Stats(); s.Expired != uint64(want) || s.Expiring != n-n/10-want || s.Conns != n {
			t.Errorf("%+v, want %d", s, want)
		}
	}
	r.Sweep()
	check(0)
	k.move(10*time.Second - 1)
	r.Sweep()
	check(0)
	k.move(1)
	r.Sweep()
	check(1)
	k.move(time.Hour)
	r.Sweep()
	check(361)
	k.move(-2 * time.Hour)
	r.Sweep()
	check(361)
	k.move(2 * time.Hour)
	r.Sweep()
	check(361)
	k.move(24 * time.Hour)
	r.Sweep()
	check(n)
}

// The goroutine ends connections in time, and sleeps if none can expire.
func TestGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var jump atomic.Int64
		looks := new(atomic.Int64)
		r := New(func() time.Time {
			looks.Add(1)
			return time.Now().Add(time.Duration(jump.Load()))
		})
		r.Start()
		defer r.Close()
		endless := new(conn)
		add(t, r, Conn{Target: endless, User: 1})
		time.Sleep(24 * time.Hour)
		if n := looks.Load(); n > 3 {
			t.Errorf("%d looks without connections that can expire", n)
		}
		late, soon, renewed := new(conn), new(conn), new(conn)
		begin := time.Now()
		add(t, r, Conn{Target: late, Expires: begin.Add(time.Hour)})
		add(t, r, Conn{Target: soon, Expires: begin.Add(1500 * time.Millisecond)})
		h := add(t, r, Conn{Target: renewed, User: 2, Expires: begin.Add(2 * time.Second)})
		time.Sleep(1900 * time.Millisecond)
		if soon.ended.Load() != 0 {
			t.Error("a time is not rounded up to full seconds")
		}
		if !r.Renew(h, Conn{User: 2, Expires: begin.Add(10 * time.Second)}) || r.Renew(h, Conn{User: 3}) {
			t.Error("not renewed, or for another user")
		}
		time.Sleep(2 * time.Second)
		if soon.ended.Load() != 1 || renewed.ended.Load() != 0 {
			t.Errorf("%d %d", soon.ended.Load(), renewed.ended.Load())
		}
		jump.Store(int64(2 * time.Hour)) // and nobody tells the goroutine
		time.Sleep(clockPoll + time.Second)
		if late.ended.Load() != 1 || renewed.ended.Load() != 1 || endless.ended.Load() != 0 {
			t.Errorf("%d %d %d", late.ended.Load(), renewed.ended.Load(), endless.ended.Load())
		}
		looks.Store(0)
		time.Sleep(24 * time.Hour)
		if n := looks.Load(); n > 3 {
			t.Errorf("%d looks after all have expired", n)
		}
	})
}

func TestEnd(t *testing.T) {
	var k clock
	r := New(k.now)
	type key struct {
		user, id, issued int
	}
	all := make(map[key]*conn)
	for user := range 20 {
		for id := range 20 {
			for issued := range 5 {
				c := new(conn)
				all[key{user, id, issued}] = c
				add(t, r, Conn{Target: c, User: uint64(user), ID: uint64(id), Issued: time.Unix(int64(issued), 0), NoToken: issued == 4})
			}
		}
	}
	for name, c := range map[string]struct {
		filter Filter
		want   func(k key) bool
	}{
		"user":             {Filter{User: 7}, func(k key) bool { return k.user == 7 }},
		"user and time":    {Filter{User: 7, Until: time.Unix(2, 9e8)}, func(k key) bool { return k.user == 7 && (k.issued <= 2 || k.issued == 4) }},
		"id":               {Filter{ID: 7}, func(k key) bool { return k.id == 7 }},
		"time":             {Filter{Until: time.Unix(2, 0)}, func(k key) bool { return k.issued <= 2 }},
		"all with a token": {Filter{Until: time.Unix(1e9, 0)}, func(k key) bool { return k.issued != 4 }},
		"nobody":           {Filter{User: 100}, func(k key) bool { return false }},
	} {
		n := r.End(c.filter, Revoked)
		for k, conn := range all {
			if (conn.ended.Swap(0) == 1) != c.want(k) {
				t.Errorf("%s: %+v", name, k)
			}
			if c.want(k) {
				n--
			}
		}
		if n != 0 {
			t.Errorf("%s: %d too many", name, n)
		}
	}
}

func TestUserConns(t *testing.T) {
	r := New(new(clock).now)
	var all []Handle
	for range 3 {
		h, ok := r.Add(Conn{Target: new(conn), User: 5}, 3)
		if !ok {
			t.Fatal("refused")
		}
		all = append(all, h)
	}
	if _, ok := r.Add(Conn{Target: new(conn), User: 5}, 3); ok || r.Conns(5) != 3 {
		t.Errorf("%d connections of 3", r.Conns(5))
	}
	add(t, r, Conn{Target: new(conn), User: 5 + shards})
	r.Remove(all[1])
	r.Remove(0)
	if _, ok := r.Add(Conn{Target: new(conn), User: 5}, 3); !ok || r.Conns(5) != 3 || r.Conns(5+shards) != 1 || r.Stats().Users != 2 {
		t.Errorf("%d %d", r.Conns(5), r.Conns(5+shards))
	}
}

// open is a connection that has been added.
type open struct {
	Conn
	h Handle
}

func expiring(all []open, now time.Time) (n int) {
	for _, o := range all {
		if o.Expires.After(now) {
			n++
		}
	}
	return n
}

// Whatever happens in whatever order, the registry has the connections that a map has, and nothing remains at the end.
func TestLikeAMap(t *testing.T) {
	var k clock
	r := New(k.now)
	rnd := rand.New(rand.NewPCG(5, 6))
	var all []open
	seen := make(map[Handle]bool)
	for step := range 20000 {
		switch x := rnd.IntN(10); {
		case x < 5 && len(all) < 3000 || len(all) == 0:
			c := Conn{Target: new(conn), User: uint64(rnd.IntN(30)), ID: uint64(rnd.IntN(100))}
			if rnd.IntN(2) == 0 {
				c.Expires = k.in(time.Duration(1+rnd.IntN(1000)) * time.Second)
			}
			h := add(t, r, c)
			if seen[h] {
				t.Fatalf("handle %d is given twice", h)
			}
			seen[h] = true
			all = append(all, open{c, h})
		case x < 8:
			i := rnd.IntN(len(all))
			r.Remove(all[i].h)
			delete(seen, all[i].h)
			all[i] = all[len(all)-1]
			all = all[:len(all)-1]
		case x < 9:
			o := &all[rnd.IntN(len(all))]
			o.Expires = k.in(time.Duration(1+rnd.IntN(1000)) * time.Second)
			r.Renew(o.h, o.Conn)
		default:
			k.move(time.Duration(rnd.IntN(20)) * time.Second)
			r.Sweep()
		}
		if step%500 == 0 {
			r.Sweep()
			if s := r.Stats(); s.Conns != len(all) || s.Expiring != expiring(all, k.now()) {
				t.Fatalf("%+v, want %d, of which %d expire", s, len(all), expiring(all, k.now()))
			}
		}
	}
	for _, o := range all {
		r.Remove(o.h)
	}
	if s := r.Stats(); s.Conns != 0 || s.Users != 0 || s.Expiring != 0 {
		t.Errorf("%+v remain", s)
	}
	for i := range r.shards {
		if len(r.shards[i].chunks) > 1 || len(r.shards[i].users.users) > least {
			t.Errorf("shard %d keeps memory", i)
		}
	}
}

// Connections come, go, are renewed, expire and are revoked at the same time.
func TestRaces(t *testing.T) {
	var k clock
	r := New(k.now)
	r.Start()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			var handles []Handle
			for j := range 300 {
				h, _ := r.Add(Conn{Target: new(conn), User: uint64(j % 7), ID: uint64(i), Expires: k.in(time.Duration(j%30) * time.Second)}, 0)
				handles = append(handles, h)
				if j%3 == 0 {
					r.Renew(h, Conn{User: uint64(j % 7), ID: uint64(i), Expires: k.in(time.Minute)})
				}
				if j%2 == 0 {
					r.Remove(handles[0])
					handles = handles[1:]
				}
			}
			for _, h := range handles {
				r.Remove(h)
			}
		})
	}
	wg.Go(func() {
		for i := range 200 {
			k.move(time.Second)
			r.Sweep()
			r.End(Filter{User: uint64(i % 7)}, Revoked)
			r.End(Filter{ID: uint64(i % 8)}, Revoked)
			r.Stats()
		}
	})
	wg.Wait()
	r.Close()
	if s := r.Stats(); s.Conns != 0 || s.Users != 0 || s.Expiring != 0 {
		t.Errorf("%+v remain", s)
	}
}

// What a connection takes depends on what there is to know of it.
func TestMemory(t *testing.T) {
	expires, issued := time.Unix(2e9, 0), time.Unix(1e9, 0)
	hash := func(i int) uint64 { return uint64(i)*0x9e3779b97f4a7c15 | 1 }
	for name, c := range map[string]struct {
		conn func(i int) Conn
		most float64
	}{
		"one key":                           {func(int) Conn { return Conn{ID: 16, NoToken: true} }, 28},
		"users without a token":             {func(i int) Conn { return Conn{User: hash(i), NoToken: true} }, 46},
		"one user with one token":           {func(int) Conn { return Conn{User: 16, Expires: expires} }, 32},
		"tokens of users":                   {func(i int) Conn { return Conn{User: hash(i), Expires: expires} }, 50},
		"tokens with names and all, of one": {func(i int) Conn { return Conn{User: 16, ID: hash(i), Issued: issued, Expires: expires} }, 46},
		"tokens with names and all":         {func(i int) Conn { return Conn{User: hash(i), ID: hash(i), Issued: issued, Expires: expires} }, 62},
	} {
		r := New(new(clock).now)
		target := new(conn)
		const n = 1 << 17
		before := heap()
		for i := range n {
			c := c.conn(i)
			c.Target = target
			add(t, r, c)
		}
		each := float64(heap()-before) / n
		t.Logf("%s: %.1f bytes for each connection", name, each)
		if each > c.most {
			t.Errorf("%s: %.1f bytes for each connection, at most %v are expected", name, each, c.most)
		}
		runtime.KeepAlive(r)
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func BenchmarkAddRemove(b *testing.B) {
	r := New(time.Now)
	target, expires := new(conn), time.Now().Add(time.Hour)
	for i := range 1 << 16 {
		add(b, r, Conn{Target: target, User: uint64(i), Expires: expires})
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; b.Loop(); i++ {
		h, _ := r.Add(Conn{Target: target, User: uint64(i & 0xffff), Expires: expires}, 0)
		r.Remove(h)
	}
}

func BenchmarkSweep(b *testing.B) {
	for _, n := range []int{1 << 14, 1 << 20} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			r := New(time.Now)
			target := new(conn)
			for i := range n {
				add(b, r, Conn{Target: target, ID: uint64(i), Expires: time.Now().Add(time.Duration(i) * time.Hour)})
			}
			for b.Loop() {
				r.Sweep()
			}
		})
	}
}

func BenchmarkEndByID(b *testing.B) {
	r := New(time.Now)
	for i := range 1 << 20 {
		add(b, r, Conn{Target: new(conn), ID: uint64(i)})
	}
	for b.Loop() {
		r.End(Filter{ID: 77}, Revoked)
	}
}
