package idempotency

// list is a list of receipts, the oldest first.
type list struct{ first, last *receipt }

// link is a receipt's place in a list.
type link struct{ before, after *receipt }

// add adds r at the end. at returns the link of a receipt in this list.
func (l *list) add(r *receipt, at func(*receipt) *link) {
	at(r).before = l.last
	if l.last == nil {
		l.first = r
	} else {
		at(l.last).after = r
	}
	l.last = r
}

func (l *list) remove(r *receipt, at func(*receipt) *link) {
	was := *at(r)
	if was.before == nil {
		l.first = was.after
	} else {
		at(was.before).after = was.after
	}
	if was.after == nil {
		l.last = was.before
	} else {
		at(was.after).before = was.before
	}
	*at(r) = link{}
}

func inAll(r *receipt) *link { return &r.inAll }
func inOwn(r *receipt) *link { return &r.inOwn }

// keepLocked adds a receipt, and forgets the oldest ones if there are too many.
func (t *Table) keepLocked(r *receipt, name string) {
	o := t.owners[name]
	if o == nil {
		o = &owner{name: name}
		t.owners[name] = o
	}
	r.owner, r.until = o, t.opts.Now().Sub(t.began)+t.opts.Window
	t.receipts[r.key] = r
	t.all.add(r, inAll)
	o.own.add(r, inOwn)
	o.n++
	switch {
	case o.n > max(t.opts.MaxKeys/4, 1):
		t.stats.Forgotten++
		t.forgetLocked(o.own.first)
	case len(t.receipts) > t.opts.MaxKeys:
		t.stats.Forgotten++
		t.forgetLocked(t.all.first)
	}
}

// expireLocked forgets what is too old.
func (t *Table) expireLocked() {
	now := t.opts.Now().Sub(t.began)
	for t.all.first != nil && t.all.first.until <= now {
		t.forgetLocked(t.all.first)
	}
}

func (t *Table) forgetLocked(r *receipt) {
	delete(t.receipts, r.key)
	t.all.remove(r, inAll)
	r.owner.own.remove(r, inOwn)
	if r.owner.n--; r.owner.n == 0 {
		delete(t.owners, r.owner.name)
	}
}
