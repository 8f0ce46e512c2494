package main

import (
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// transfers bounds the memory of HTTP requests: of the bodies as far as they have arrived, and of the responses until the
// client has read them. Beyond the bound it sheds the largest transfer of the address that holds most, and counts it.
type transfers struct {
	most int64 // bytes in total; negative for no bound

	mu     sync.Mutex
	held   int64
	owners map[netip.Addr]*owner
	shed   uint64
}

// owner is an address that has transfers.
type owner struct {
	held int64
	all  map[*transfer]struct{}
}

// transfer is the memory of one request.
type transfer struct {
	in    *transfers
	owner netip.Addr
	cut   func() // interrupts the read or write in which the request waits
	held  int64  // guarded by in.mu
	over  bool   // it was shed; guarded by in.mu

	cutting sync.Mutex // held while cut is called; never locked together with in.mu
	ended   bool       // it is too late for cut; guarded by cutting
}

// begin returns the transfer of a request from an address.
func (ts *transfers) begin(w http.ResponseWriter, from netip.Addr) *transfer {
	return &transfer{in: ts, owner: from, cut: func() {
		c, past := http.NewResponseController(w), time.Now().Add(-time.Second)
		_ = c.SetReadDeadline(past)
		_ = c.SetWriteDeadline(past)
	}}
}

// grow counts n more bytes. It returns false if the transfer was shed: the caller must stop it.
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

// interrupt calls cut unless the transfer has ended.
func (t *transfer) interrupt() {
	t.cutting.Lock()
	defer t.cutting.Unlock()
	if !t.ended {
		t.cut()
	}
}

// settle waits for a cut in progress and prevents later ones, which would hit the response that says why, or the next
// request of the connection.
func (t *transfer) settle() {
	t.cutting.Lock()
	t.ended = true
	t.cutting.Unlock()
}

// end subtracts the transfer from the total.
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

// shedLocked sheds the largest transfer of the owner that holds most, and returns it.
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

// stats returns how many bytes are held, and how many transfers were shed.
func (ts *transfers) stats() (held int64, shed uint64) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	return ts.held, ts.shed
}
