//go:build linux

package memory

import (
	"math"
	"testing"
	"time"
)

// counted is a Scavenger whose collections are counted.
type counted struct {
	Scavenger
	t     *testing.T
	freed int
	now   time.Time
}

func newCounted(t *testing.T) *counted {
	c := &counted{t: t, now: time.Now()}
	c.Free = func() { c.freed++ }
	return c
}

// step is a sweep, after which want collections must have been made.
func (c *counted) step(u Use, want int) {
	c.t.Helper()
	c.Look(u, c.now)
	c.now = c.now.Add(time.Second)
	c.Runs.Wait()
	if c.freed != want {
		c.t.Errorf("with %+v it was run %d times, want %d", u, c.freed, want)
	}
}

func TestScavenger(t *testing.T) {
	s := newCounted(t)
	held := func(n int64) Use { return Use{Held: n} }
	s.step(held(3*scavengeFrom), 0)
	for range scavengeQuiet - 2 {
		s.step(held(scavengeFrom), 0)
	}
	s.step(held(scavengeFrom), 1)
	for range 30 { // nothing more was let go
		s.step(held(scavengeFrom), 1)
	}
	s.step(held(0), 2)
	for range scavengePause / time.Second { // not again so soon
		s.step(held(2*scavengeFrom), 2)
		s.step(held(0), 2)
	}
	for range scavengeQuiet {
		s.Look(held(0), s.now)
	}
	s.Runs.Wait()
	if s.freed != 3 {
		t.Errorf("it was run %d times, want 3", s.freed)
	}
}

// A crowd that comes is one collection, when it is over; so is one that goes.
func TestScavengerCrowd(t *testing.T) {
	s := newCounted(t)
	u := Use{Entered: math.MaxUint32 - 5000} // it wraps around
	s.last = u
	come := func(n int) {
		u.Entered += uint32(n)
		u.Open += int64(n)
	}
	for range 10 {
		come(2000)
		s.step(u, 0)
	}
	for range scavengeQuiet - 2 {
		come(10)
		s.step(u, 0)
	}
	s.step(u, 1)
	for range 60 {
		s.step(u, 1)
	}
	for u.Open > 0 {
		u.Open = max(0, u.Open-3000)
		s.step(u, 1)
	}
	for range scavengeQuiet - 2 {
		s.step(u, 1)
	}
	s.step(u, 2)
	come(leastCrowd - 1)
	for range 60 {
		s.step(u, 2)
	}
}

// Few connections compared with those that are open are no crowd.
func TestScavengerCrowdShare(t *testing.T) {
	s := newCounted(t)
	const open = 1_000_000
	u := Use{Open: open, Entered: open}
	s.last = u
	u.Entered += open/crowdShare/2 - 1 // as many others have gone
	for range 60 {
		s.step(u, 0)
	}
	u.Entered++
	u.Open -= 2
	for range 60 {
		s.step(u, 1)
	}
}

// Where connections come and go evenly, collections are rare.
func TestScavengerEven(t *testing.T) {
	s := newCounted(t)
	u := Use{Open: 100}
	s.last = u
	const minutes = 10
	for range minutes * 60 {
		u.Entered += 500
		s.Look(u, s.now)
		s.now = s.now.Add(time.Second)
		s.Runs.Wait()
	}
	if s.freed == 0 || s.freed > minutes {
		t.Errorf("%d collections in %d minutes", s.freed, minutes)
	}
}
