package hub

import (
	"bytes"
	"time"
)

// Options.OnPresence is called at one node of the cluster for each change. Each person in a topic has
// a keeper: the node that has told its program that the person has joined. It remains the keeper when
// the person goes on at another node, and tells its program when the person has left everywhere, after
// the grace period. Its part says that it is the keeper, so the others are silent.
//
// A person who has no keeper gets one of the nodes where the person is: the one with the lowest ID, so
// that only one announces a person who has come to several nodes at once. When a keeper ends, the node
// with the lowest ID of all takes its place. Should there be two, the one with the higher ID gives up.

// considerLocked schedules what this node has to tell the program about a, or cancels it.
func (r *roster) considerLocked(a *attendance) {
	if !r.node.self.Tells {
		return
	}
	var due time.Time
	switch {
	case a.own.keeps && !a.present:
		due = a.since.Add(a.own.grace)
	case a.own.keeps && a.hasNewData() || r.mustKeepLocked(a):
		due = r.hub.opts.Now().Add(tellEvery)
		if at, is := r.pending[a]; is && at.Before(due) {
			due = at
		}
	default:
		delete(r.pending, a)
		return
	}
	r.pending[a] = due
	r.wakeLocked(due)
}

// hasNewData reports whether a person whose keeper this node is came back with other data.
func (a *attendance) hasNewData() bool {
	if !a.present || a.own.connections > 0 && bytes.Equal(a.own.data, a.told) {
		return false
	}
	for i := range a.parts {
		if p := &a.parts[i]; p.connections > 0 && bytes.Equal(p.data, a.told) {
			return false
		}
	}
	return true
}

// mustKeepLocked reports whether a has no keeper, and this node must be it.
func (r *roster) mustKeepLocked(a *attendance) bool {
	if a.own.connections == 0 || a.orphan || a.kept() {
		return false
	}
	for i := range a.parts {
		if p := &a.parts[i]; p.connections > 0 && r.node.nodes.before(p.peer, r.node.id) {
			return false
		}
	}
	return true
}

// keptLocked is called when a peer says that it is the keeper.
func (r *roster) keptLocked(a *attendance, peer uint64) {
	a.orphan = false
	if a.own.keeps && r.node.nodes.before(peer, r.node.id) {
		a.own.keeps, a.told = false, nil
		r.publishLocked(a)
	}
}

// inheritLocked makes this node the keeper of an orphan if it is the first of all nodes. lost has
// the data that the program was told.
func (r *roster) inheritLocked(a *attendance, lost *part, first bool) {
	switch {
	case !a.orphan:
	case first:
		a.orphan, a.own.keeps = false, true
		a.told, a.own.grace = lost.data, max(a.own.grace, lost.grace)
		r.publishLocked(a)
	case a.connections() == 0:
		a.orphan = false // the first of all nodes says that it is the keeper
	}
}

// wakeLocked has tell called at a time, or as soon after it as the interval between calls allows.
func (r *roster) wakeLocked(at time.Time) {
	if next := r.told.Add(tellEvery); at.Before(next) {
		at = next
	}
	if !r.at.IsZero() && !at.Before(r.at) {
		return
	}
	r.at = at
	if d := at.Sub(r.hub.opts.Now()); r.timer == nil {
		r.timer = time.AfterFunc(d, r.tell)
	} else {
		r.timer.Reset(d)
	}
}

// tell tells the program what is due. It is the function of the timer.
func (r *roster) tell() {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.hub.opts.Now()
	r.at, r.told = time.Time{}, now
	r.tellLocked(func(a *attendance, due time.Time) bool { return !now.Before(due) })
	var next time.Time
	for _, due := range r.pending {
		if next.IsZero() || due.Before(next) {
			next = due
		}
	}
	if !next.IsZero() {
		r.wakeLocked(next)
	}
}

// tellLocked tells the program the pending changes for which is returns true.
func (r *roster) tellLocked(is func(a *attendance, due time.Time) bool) {
	var all []*attendance
	for a, due := range r.pending {
		if is(a, due) {
			all = append(all, a)
			delete(r.pending, a)
		}
	}
	if len(r.pending) == 0 { // a map does not shrink by itself
		r.pending = make(map[*attendance]time.Time)
	}
	sortAttendances(all)
	for len(all) > 0 {
		n := notice{name: all[0].topic}
		for len(all) > 0 && all[0].topic == n.name {
			r.announceLocked(all[0], &n)
			all = all[1:]
		}
		sortPeople(n.joined)
		sortPeople(n.left)
		r.hub.notify(n)
	}
}

// announceLocked adds a change to a notice.
func (r *roster) announceLocked(a *attendance, n *notice) {
	who := Person{ID: a.who.id, Anonymous: a.who.anonymous, Data: a.told}
	if a.present {
		a.own.keeps, a.told = true, a.data()
		who.Data = a.told
		n.joined = append(n.joined, who)
	} else {
		a.own.keeps, a.told = false, nil
		n.left = append(n.left, who)
	}
	r.publishLocked(a)
	r.changedLocked(a)
}

// flush tells the program at once who has left, if there is no other node that would do so.
func (r *roster) flush() {
	if r == nil || r.node.nodes.tellers() > 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tellLocked(func(a *attendance, _ time.Time) bool { return !a.present })
}
