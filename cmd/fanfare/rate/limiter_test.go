package rate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"
)

// clock is a time that tests set.
type clock struct{ now time.Duration }

func (c *clock) read() time.Duration { return c.now }

func limiter(l Limits, keys int) (*Limiter[string], *clock) {
	c := new(clock)
	return New[string](Options{Limits: l, MaxKeys: keys, Now: c.read}), c
}

func TestTake(t *testing.T) {
	l, c := limiter(Limits{Messages: 10, Bytes: 1000, Burst: time.Second}, 0)
	for _, step := range []struct {
		at   time.Duration
		key  string
		n    int
		want time.Duration
	}{
		{0, "a", 1000, 0}, // the whole burst in bytes
		{0, "a", 0, 100 * time.Millisecond},
		{0, "a", 500, 500 * time.Millisecond},
		{0, "b", 0, 0}, // another key
		{99 * time.Millisecond, "a", 0, time.Millisecond},
		{100 * time.Millisecond, "a", -1, 0},
		{time.Second, "a", 5000, 100 * time.Millisecond}, // more than the burst waits for a full credit
		{1100 * time.Millisecond, "a", 5000, 0},
		{1100 * time.Millisecond, "a", 1, 4100 * time.Millisecond},
		{time.Hour, "a", 900, 0}, // credit does not grow beyond the burst
		{time.Hour, "a", 100, 0},
		{time.Hour, "a", 100, 100 * time.Millisecond},
	} {
		c.now = step.at
		if wait := l.Take(step.key, step.n); wait != step.want {
			t.Errorf("at %v: %d bytes of %s wait %v, want %v", step.at, step.n, step.key, wait, step.want)
		}
	}
	if s := l.Stats(); s != (Stats{Taken: 6, Refused: 6, Keys: 2}) {
		t.Errorf("%+v", s)
	}
}

func TestNoLimit(t *testing.T) {
	var none *Limiter[uint64]
	open := New[uint64](Options{})
	for range 1000 {
		if none.Take(1, 1<<40) != 0 || open.Take(1, 1<<40) != 0 {
			t.Fatal("refused without a limit")
		}
	}
	if none.Stats() != (Stats{}) || open.Stats() != (Stats{}) {
		t.Errorf("%+v %+v", none.Stats(), open.Stats())
	}
}

// The clock of a Limiter without one is monotonic and runs.
func TestDefaultClock(t *testing.T) {
	l := New[uint64](Options{Limits: Limits{Messages: 1e6, Burst: 1}})
	for taken := 0; taken < 3; {
		if l.Take(7, 0) == 0 {
			taken++
		}
	}
}

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		l    Limits
		want string
	}{
		{Limits{}, ""},
		{Limits{Messages: 0.5, Bytes: 1e12, Burst: time.Hour}, ""},
		{Limits{Messages: -1}, "messages a second is -1"},
		{Limits{Bytes: math.NaN()}, "bytes a second is NaN"},
		{Limits{Bytes: math.Inf(1)}, "bytes a second is +Inf"},
		{Limits{Burst: -1}, "the burst is -1ns"},
		{Limits{Burst: math.MaxInt64}, "the burst is 2562047h"},
	} {
		err := c.l.Validate()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%+v: %v, want %q", c.l, err, c.want)
		}
	}
}

// Extreme values neither overflow nor let more through.
func TestExtremes(t *testing.T) {
	for _, l := range []Limits{
		{Messages: math.SmallestNonzeroFloat64},
		{Bytes: math.SmallestNonzeroFloat64, Burst: longest},
		{Bytes: 1e-300, Burst: math.MaxInt64},
	} {
		l, c := limiter(l, 0)
		c.now = 100 * longest
		if wait := l.Take("a", math.MaxInt); wait != 0 {
			t.Errorf("%+v: the first message waits %v", l.Limits(), wait)
		}
		if wait := l.Take("a", math.MaxInt); wait <= 0 || wait > longest {
			t.Errorf("%+v: the second message waits %v", l.Limits(), wait)
		}
	}
}

// No window of t lets through more than t + Burst, or t + the largest cost if that is more. And Take refuses no
// message earlier than that makes necessary: after the wait, and not before, it admits the message.
func TestEveryWindow(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		limits := Limits{Messages: math.Exp(r.Float64()*12 - 3), Bytes: math.Exp(r.Float64() * 16), Burst: time.Duration(1 + r.IntN(3e9))}
		l, c := limiter(limits, 1+r.IntN(8))
		p := limits.prices()
		var times, costs []time.Duration
		for range 300 {
			c.now += time.Duration(r.ExpFloat64() * float64(p.message) * 2)
			key, n := fmt.Sprint(r.IntN(12)), r.IntN(1+int(3*limits.Bytes/limits.Messages))
			wait := l.Take(key, n)
			if wait > 0 {
				c.now += wait - 1
				if l.Take(key, n) == 0 {
					t.Fatalf("seed %d: admitted before the end of the wait", seed)
				}
				if c.now++; l.Take(key, n) != 0 {
					t.Fatalf("seed %d: refused after the wait of %v", seed, wait)
				}
			}
			if key == "0" {
				cost, _ := (&prices{message: p.message, perByte: p.perByte, burst: longest}).pay(0, 0, n)
				times, costs = append(times, c.now), append(costs, cost)
			}
		}
		checkWindows(t, p.burst, times, costs)
	}
}

func checkWindows(t *testing.T, burst time.Duration, times, costs []time.Duration) {
	t.Helper()
	for i := range times {
		sum, most := time.Duration(0), burst
		for j := i; j < len(times); j++ {
			sum, most = sum+costs[j], max(most, costs[j])
			if window := times[j] - times[i]; sum > window+most {
				t.Fatalf("messages that cost %v in %v, with a burst of %v", sum, window, burst)
			}
		}
	}
}

// Idle keys make room for new ones: after a minute, and earlier if there is no room.
func TestIdleKeysAreRemoved(t *testing.T) {
	for _, c := range []struct{ room, want int }{{100, 100}, {511, 305}} {
		l, clock := limiter(Limits{Messages: 1}, c.room)
		for i := range 10_000 {
			if wait := l.Take(fmt.Sprint("key ", i), 0); wait != 0 {
				t.Fatalf("key %d waits %v", i, wait)
			}
			clock.now += 200 * time.Millisecond
		}
		if s := l.Stats(); s.Shared != 0 || s.Keys > c.want || len(l.shards[0].entries) > c.want+2 {
			t.Errorf("with room for %d: %+v; want at most %d keys", c.room, s, c.want)
		}
	}
}

// A key that goes on is not removed, although others come and go.
func TestActiveKeyStays(t *testing.T) {
	l, c := limiter(Limits{Messages: 10, Burst: time.Second}, 4)
	for l.Take("busy", 0) == 0 {
	}
	admitted := 0
	for i := range 10_000 {
		c.now += time.Millisecond
		l.Take(fmt.Sprint(i), 0)
		if l.Take("busy", 0) == 0 {
			admitted++
		}
	}
	if admitted != 100 {
		t.Errorf("%d messages in 10 s, want 100", admitted)
	}
}

// When there is no room, new keys share one credit; the known ones keep theirs, and nothing grows.
func TestFull(t *testing.T) {
	l, c := limiter(Limits{Messages: 1, Burst: 10 * time.Second}, 10)
	for i := range 10 {
		l.Take(fmt.Sprint("known ", i), 0)
	}
	admitted := 0
	for i := range 1000 {
		if l.Take(fmt.Sprint("new ", i), 0) == 0 {
			admitted++
		}
	}
	if admitted != 10 {
		t.Errorf("%d messages of new keys, want one burst of 10", admitted)
	}
	if wait := l.Take("known 3", 0); wait != 0 {
		t.Errorf("a known key waits %v", wait)
	}
	if s := l.Stats(); s.Keys != 10 || s.Shared != 10 || len(l.shards[0].entries) != 10 {
		t.Errorf("%+v", s)
	}
	// Known keys are idle now, and a new one gets a place. It inherits the shared debt of 8 s.
	c.now = 2 * time.Second
	admitted = 0
	for l.Take("new 1", 0) == 0 {
		admitted++
	}
	if s := l.Stats(); admitted != 2 || s.Shared != 10 || s.Keys > 10 {
		t.Errorf("%d messages of a key that inherits a debt, want 2; %+v", admitted, s)
	}
}

func TestSetLimits(t *testing.T) {
	l, c := limiter(Limits{Messages: 0.001}, 1)
	for _, key := range []string{"a", "b", "a"} {
		l.Take(key, 0)
	}
	l.SetLimits(Limits{Messages: 10, Burst: time.Second})
	for _, key := range []string{"a", "b"} {
		if wait := l.Take(key, 0); wait != 100*time.Millisecond {
			t.Errorf("%s waits %v; a debt of the old limits must shrink to the new burst", key, wait)
		}
	}
	c.now = time.Second
	if l.Take("c", 0) != 0 || l.Stats().Keys != 1 {
		t.Errorf("the heap of idle keys is not in order: %+v", l.Stats())
	}
	l.SetLimits(Limits{})
	for range 100 {
		if l.Take("a", 0) != 0 {
			t.Fatal("refused without a limit")
		}
	}
	if got := l.Limits(); got != (Limits{Burst: DefaultBurst}) {
		t.Errorf("%+v", got)
	}
}

// Many goroutines together get what one gets.
func TestConcurrentTakes(t *testing.T) {
	var now atomic.Int64
	l := New[uint64](Options{Limits: Limits{Messages: 1000, Burst: time.Second}, MaxKeys: 64, Now: func() time.Duration { return time.Duration(now.Load()) }})
	var admitted [4]atomic.Int64
	var wg sync.WaitGroup
	for g := range uint64(8) {
		wg.Go(func() {
			for i := range uint64(4000) {
				if l.Take(i%4, 0) == 0 {
					admitted[i%4].Add(1)
				}
				l.Take(1000+g*4000+i, 0)
				now.Add(int64(time.Millisecond) / 8)
				if i%1000 == 0 {
					l.SetLimits(l.Limits())
					l.Stats()
				}
			}
		})
	}
	wg.Wait()
	for i := range admitted {
		if n := admitted[i].Load(); n > 1000+4000 || n < 4000 {
			t.Errorf("key %d: %d messages in 4 s", i, n)
		}
	}
}

func TestKeyIsCopied(t *testing.T) {
	l, _ := limiter(Limits{Messages: 1}, 1)
	large := strings.Repeat("x", 1<<10)
	part := large[3:9]
	l.Take(part, 0)
	for key := range l.shards[0].index {
		if unsafe.StringData(key) == unsafe.StringData(part) {
			t.Error("the key keeps the message alive that it was cut from")
		}
	}
}

func TestShards(t *testing.T) {
	for keys, want := range map[int]int{1: 1, 511: 1, 512: 2, 1 << 12: 16, 1 << 30: 64} {
		if got := shardsFor(keys); got != want {
			t.Errorf("%d keys: %d shards, want %d", keys, got, want)
		}
	}
	l := New[uint64](Options{Limits: Limits{Messages: 1}})
	for i := range uint64(64 * 100) {
		l.Take(i, 0)
	}
	for i := range l.shards {
		if n := len(l.shards[i].index); n < 30 || n > 250 {
			t.Errorf("shard %d has %d keys of 6400", i, n)
		}
	}
}

func TestTakeAllocatesNothing(t *testing.T) {
	names, c := limiter(Limits{Messages: 100}, 0)
	numbers := New[uint64](Options{Limits: Limits{Messages: 100}})
	if n := testing.AllocsPerRun(1000, func() {
		names.Take("user", 10)
		numbers.Take(1, 10)
		c.now += time.Millisecond
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkTake(b *testing.B) {
	keys := make([]string, 10_000)
	for i := range keys {
		keys[i] = fmt.Sprint("user ", i)
	}
	l := New[string](Options{Limits: Limits{Messages: 1e9}})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := rand.IntN(1000); pb.Next(); i++ {
			l.Take(keys[i%len(keys)], 100)
		}
	})
}

// A stream of new keys is the most expensive input.
func BenchmarkTakeNew(b *testing.B) {
	l := New[uint64](Options{Limits: Limits{Messages: 10}})
	b.ReportAllocs()
	for i := uint64(0); b.Loop(); i++ {
		l.Take(i, 0)
	}
}
