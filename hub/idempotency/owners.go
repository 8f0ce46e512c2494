package idempotency

// owner has the receipts of one owner.
type owner struct {
	name   string
	own    list[receipt]
	n      int // receipts
	inSize link[owner]
}

// owners finds an owner by name, and the one with the most receipts. Each step takes the same time for any number of owners:
// an owner gains or loses one receipt at a time, so it moves to the list beside its own.
type owners struct {
	byName map[string]*owner
	bySize []list[owner] // those with i receipts at i, in the order in which they came to have i
	most   int           // receipts of the owner with the most
}

// add gives an owner a receipt.
func (all *owners) add(name string, r *receipt) {
	o := all.byName[name]
	if o == nil {
		o = &owner{name: name}
		all.byName[name] = o
	}
	r.owner = o
	o.own.add(r, inOwn)
	all.resize(o, o.n+1)
}

// remove takes a receipt from its owner.
func (all *owners) remove(r *receipt) {
	o := r.owner
	o.own.remove(r, inOwn)
	all.resize(o, o.n-1)
	if o.n == 0 {
		delete(all.byName, o.name)
	}
}

// resize moves an owner to the list of those with n receipts.
func (all *owners) resize(o *owner, n int) {
	if o.n > 0 {
		all.bySize[o.n].remove(o, inSize)
	}
	o.n = n
	for len(all.bySize) <= n {
		all.bySize = append(all.bySize, list[owner]{})
	}
	if n > 0 {
		all.bySize[n].add(o, inSize)
	}
	all.most = max(all.most, n)
	for all.most > 0 && all.bySize[all.most].first == nil {
		all.most--
	}
}

// largest returns the owner with the most receipts, of several the one that has had so many for the longest time.
func (all *owners) largest() *owner { return all.bySize[all.most].first }
