package idempotency

import "time"

// expiresPerCall is how many receipts a call forgets because they are too old. A call adds one at most, so old ones become
// fewer with each call; but no call holds the lock for all that came in a burst one Options.Window ago.
const expiresPerCall = 8

// now returns the time since the table began.
func (t *Table) now() time.Duration { return t.opts.Now().Sub(t.began) }

// keepLocked adds a receipt of an owner. If there are too many it forgets one: of that owner if they are its own, otherwise of
// the owner with the most. It returns a receipt that is forgotten before its time, or nil.
func (t *Table) keepLocked(r *receipt, owner string) (early *receipt) {
	now := t.now()
	r.until = now + t.opts.Window
	t.receipts[r.key] = r
	t.all.add(r, inAll)
	t.owners.add(owner, r)
	switch {
	case r.owner.n > max(t.opts.MaxKeys/4, 1):
		early = r.owner.own.first
	case len(t.receipts) <= t.opts.MaxKeys:
		return nil
	case t.all.first.until <= now:
		early = t.all.first
	default:
		early = t.owners.largest().own.first
	}
	t.forgetLocked(early)
	if early.until <= now {
		return nil
	}
	t.stats.Forgotten++
	return early
}

// expireLocked forgets some of the receipts that are too old. Others may still be there: see findLocked.
func (t *Table) expireLocked(now time.Duration) {
	for range expiresPerCall {
		if t.all.first == nil || t.all.first.until > now {
			return
		}
		t.forgetLocked(t.all.first)
	}
}

// findLocked returns the receipt of a key unless it is too old, in which case it is forgotten.
func (t *Table) findLocked(key hash, now time.Duration) *receipt {
	r := t.receipts[key]
	if r != nil && r.until <= now {
		t.forgetLocked(r)
		return nil
	}
	return r
}

func (t *Table) forgetLocked(r *receipt) {
	delete(t.receipts, r.key)
	t.all.remove(r, inAll)
	t.owners.remove(r)
}

// warn says that a receipt was forgotten before its time; r may be nil.
func (t *Table) warn(r *receipt) {
	if r == nil {
		return
	}
	t.early.Warn(t.opts.Logger, "an idempotency key was forgotten before its time, as there are too many: a message that is sent again with it is published again",
		"owner", r.owner.name, "after", t.now()-(r.until-t.opts.Window), "window", t.opts.Window, "keys", t.opts.MaxKeys)
}
