package idempotency

// list is a list of values, the one that came first at its beginning. A value has a link for each list that it is in.
type list[T any] struct{ first, last *T }

// link is a value's place in a list.
type link[T any] struct{ before, after *T }

// add adds v at the end. at returns the link of a value in this list.
func (l *list[T]) add(v *T, at func(*T) *link[T]) {
	at(v).before = l.last
	if l.last == nil {
		l.first = v
	} else {
		at(l.last).after = v
	}
	l.last = v
}

func (l *list[T]) remove(v *T, at func(*T) *link[T]) {
	was := *at(v)
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
	*at(v) = link[T]{}
}

func inAll(r *receipt) *link[receipt] { return &r.inAll }
func inOwn(r *receipt) *link[receipt] { return &r.inOwn }
func inSize(o *owner) *link[owner]    { return &o.inSize }
