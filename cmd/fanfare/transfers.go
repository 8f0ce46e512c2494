package main

import (
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// transfers bounds what requests over HTTP hold in memory: bodies as far as they have
// come, and answers until the client has taken them. Beyond the bound the heaviest
// transfer of the address that holds most is given up, and counted.
type transfers struct {
	most int64 // bytes in all; no bound if negative

	mu     sync.Mutex
	held   int64
	owners map[netip.Addr]*owner
	shed   uint64
}

// owner is an address, as long as it has transfers.
type owner struct {
	held int64
	all  map[*transfer]struct{}
}

// transfer is what one request holds.
type transfer struct {
	in    *transfers
	owner netip.Addr
	cut   func() // interrupts what the request is waiting for
	held  int64  // guarded by in.mu
	over  bool   // it has been shed; guarded by in.mu

	cutting sync.Mutex // held while cut is called; in.mu is not taken under it
	ended   bool       // cut would come too late: guarded by cutting
}

// begin returns the transfer of a request from an address.
func (ts *transfers) begin(w http.ResponseWriter, from netip.Addr) *transfer {
	return &transfer{in: ts, owner: from, cut: func() {
		c, past := http.NewResponseController(w), time.Now().Add(-time.Second)
		_ = c.SetReadDeadline(past)
		_ = c.SetWriteDeadline(past)
	}}
}

// grow counts n bytes more. It reports false if the transfer must be given up.
func (t *transfer) grow(n int) bool {
	ts := t.in
	if ts.most < 0 {
		return true
	}
	ts.mu.Lock()
	if t.over {
		ts.mu.Unlock()
		t.settle()
		return false
	}
	ts.addLocked(t, int64(n))
	var given []*transfer
	if ts.held > ts.most {
		for ts.held > ts.most-ts.most/8 {
			given = append(given, ts.shedLocked())
		}
	}
	good := !t.over
	ts.mu.Unlock()
	for _, other := range given {
		if other != t {
			other.interrupt()
		}
	}
	if !good {
		t.settle()
	}
	return good
}

// interrupt cuts the transfer off, unless it has ended.
func (t *transfer) interrupt() {
	t.cutting.Lock()
	defer t.cutting.Unlock()
	if !t.ended {
		t.cut()
	}
}

// settle waits for a cut under way, and lets no other come: it would hit the answer that
// says why, or the next request of the connection.
func (t *transfer) settle() {
	t.cutting.Lock()
	t.ended = true
	t.cutting.Unlock()
}

// end counts nothing of it any more.
func (t *transfer) end() {
	t.settle()
	t.in.mu.Lock()
	defer t.in.mu.Unlock()
	t.in.removeLocked(t)
}

func (ts *transfers) addLocked(t *transfer, n int64) {
	o := ts.owners[t.owner]
	if o == nil {
		if ts.owners == nil {
			ts.owners = make(map[netip.Addr]*owner)
		}
		o = &owner{all: make(map[*transfer]struct{})}
		ts.owners[t.owner] = o
	}
	o.all[t] = struct{}{}
	t.held, o.held, ts.held = t.held+n, o.held+n, ts.held+n
}

func (ts *transfers) removeLocked(t *transfer) {
	o := ts.owners[t.owner]
	if o == nil {
		return
	}
	if _, there := o.all[t]; !there {
		return
	}
	o.held, ts.held, t.held = o.held-t.held, ts.held-t.held, 0
	if delete(o.all, t); len(o.all) == 0 {
		delete(ts.owners, t.owner)
	}
}

// shedLocked gives up the heaviest transfer of the heaviest owner.
func (ts *transfers) shedLocked() *transfer {
	var most *owner
	for _, o := range ts.owners {
		if most == nil || o.held > most.held {
			most = o
		}
	}
	var heaviest *transfer
	for t := range most.all {
		if heaviest == nil || t.held > heaviest.held {
			heaviest = t
		}
	}
	heaviest.over = true
	ts.removeLocked(heaviest)
	ts.shed++
	return heaviest
}

// stats returns how many bytes are held, and how many transfers were given up.
func (ts *transfers) stats() (held int64, shed uint64) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	return ts.held, ts.shed
}
