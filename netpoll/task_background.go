//go:build linux

package netpoll

import (
	"container/list"
	"net/netip"
	"sync"
)

// background runs functions that may block for long and wait for turns, on goroutines of
// its own. On the workers, such a function could take the place of the turn that it waits for.
//
// Its places are shared by address. A function that runs cannot be stopped, so no address may
// take the last place: each may have at most three times as many as it leaves free. The first
// address gets up to three quarters of all places, the second three quarters of the rest, and so
// on. Addresses that wait take turns.
type background struct {
	most    int
	protect func(f func()) // calls f and logs its panic

	mu      sync.Mutex
	running int
	waiting int
	users   map[netip.Addr]*user
	order   list.List // of *user that wait: one that gets a place goes to the end
}

// user is an address with functions that run or wait.
type user struct {
	key     netip.Addr
	held    int
	waiting list.List     // of *Job, first come, first served
	inOrder *list.Element // while waiting is not empty
}

// Job is a function that runs in the background or waits for a place. Guarded by background.mu.
type Job struct {
	in    *background
	user  *user
	f     func()
	place *list.Element // in user.waiting; nil once the function has begun
	begun bool
}

// start is Engine.GoFor.
func (b *background) start(owner netip.Addr, f func()) *Job {
	b.mu.Lock()
	defer b.mu.Unlock()
	u := b.users[owner]
	if u == nil {
		u = &user{key: owner}
		b.users[owner] = u
	}
	j := &Job{in: b, user: u, f: f}
	if u.waiting.Len() == 0 && b.mayLocked(u) {
		b.beginLocked(j)
		return j
	}
	j.place = u.waiting.PushBack(j)
	b.waiting++
	if u.inOrder == nil {
		u.inOrder = b.order.PushBack(u)
	}
	return j
}

// Begun reports whether the function has begun.
func (j *Job) Begun() bool {
	b := j.in
	b.mu.Lock()
	defer b.mu.Unlock()
	return j.begun
}

// Cancel prevents the function from running, if it has not begun.
func (j *Job) Cancel() {
	b := j.in
	b.mu.Lock()
	defer b.mu.Unlock()
	if j.place != nil {
		b.unwaitLocked(j)
		b.tidyLocked(j.user)
	}
}

func (b *background) unwaitLocked(j *Job) {
	u := j.user
	u.waiting.Remove(j.place)
	j.place = nil
	b.waiting--
	if u.waiting.Len() == 0 {
		b.order.Remove(u.inOrder)
		u.inOrder = nil
	}
}

func (b *background) tidyLocked(u *user) {
	if u.held == 0 && u.waiting.Len() == 0 {
		delete(b.users, u.key)
	}
}

// mayLocked reports whether u may have another place. Work without an address is the
// program's own, and may have all places.
func (b *background) mayLocked(u *user) bool {
	free := b.most - b.running
	return free > 0 && (!u.key.IsValid() || u.held == 0 || u.held < 3*(free-1))
}

func (b *background) beginLocked(j *Job) {
	b.running++
	j.user.held++
	j.begun = true
	go func() {
		b.protect(j.f)
		b.end(j.user)
	}()
}

// end counts off a function of u that has returned, and starts those that may begin now.
func (b *background) end(u *user) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.running--
	u.held--
	for n := b.nextLocked(); n != nil; n = b.nextLocked() {
		b.order.MoveToBack(n.inOrder)
		j := n.waiting.Front().Value.(*Job)
		b.unwaitLocked(j)
		b.beginLocked(j)
	}
	b.tidyLocked(u)
}

func (b *background) nextLocked() *user {
	for e := b.order.Front(); e != nil && b.running < b.most; e = e.Next() {
		if u := e.Value.(*user); b.mayLocked(u) {
			return u
		}
	}
	return nil
}

func (b *background) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.running
}
