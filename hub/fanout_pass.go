package hub

import "time"

// help returns when the shard has room for more messages. It runs passes itself, or waits for
// the one under way.
func (sh *shard) help() {
	more := false
	for sh.full() {
		sh.mu.Lock()
		if sh.inPass {
			sh.waitLocked()
			sh.mu.Unlock()
			continue
		}
		sh.mu.Unlock()
		more = sh.pass()
	}
	if more { // the task may have run in vain during this pass
		sh.task.Schedule()
	}
}

func (sh *shard) full() bool {
	t := sh.topic
	t.mu.Lock()
	defer t.mu.Unlock()
	return sh.members > 0 && t.log.end-sh.at > maxPending
}

// Run runs passes until nothing is due. It is the function of the shard's task.
func (sh *shard) Run() {
	for sh.pass() {
	}
}

// pass delivers to some of the subscribers that were behind and have drained, and then the next
// batch to all that are up to date. It reports whether there is more to do; if another pass is
// under way, that one takes care of it.
func (sh *shard) pass() (more bool) {
	sh.mu.Lock()
	if sh.inPass {
		sh.mu.Unlock()
		return false
	}
	sh.inPass = true
	due, unpin := sh.takeDueLocked(), sh.unpin
	sh.unpin = false
	sh.mu.Unlock()
	for _, s := range due {
		sh.catchUp(s)
	}
	if unpin {
		sh.unpinAll()
	}
	pass := sh.nextBatch()
	if pass.batch != nil {
		count, began := sh.counters(), time.Now()
		count.delivered.Add(sh.deliver(pass))
		count.took.Observe(time.Since(began))
	}
	return sh.endPass(pass)
}

func (sh *shard) takeDueLocked() []*Subscription {
	k := sh.cold
	if k == nil {
		return nil
	}
	n := min(len(k.due), runLength)
	due := k.due[:n:n]
	if k.due = k.due[n:]; len(k.due) == 0 {
		k.due = nil
	}
	return due
}

// nextBatch takes the next batch from the log.
func (sh *shard) nextBatch() (b passBatch) {
	t := sh.topic
	t.mu.Lock()
	defer t.mu.Unlock()
	b.batch, b.cursor = t.log.readOn(sh.cursor), sh.cursor
	if b.batch == nil {
		sh.skipLocked()
		return b
	}
	sh.taken = b.next
	if t.laggards > 0 {
		b.limit, b.oldest = t.limitLocked(b.next), t.log.oldest()
	}
	return b
}

// endPass ends a pass in one step, under both locks. A publish, a drain or an end of a
// subscription after that step schedules the task and finds no pass under way; one before it is
// seen here.
func (sh *shard) endPass(b passBatch) (more bool) {
	t := sh.topic
	t.mu.Lock()
	sh.mu.Lock()
	if b.batch != nil && b.next > sh.cursor {
		sh.cursor, sh.at = b.next, b.end
	}
	left := sh.takeLeftLocked()
	for _, l := range left {
		sh.detachLocked(l)
	}
	due := sh.passOverLocked()
	more = sh.members > 0 && sh.cursor < t.log.next || due || sh.unpin
	sh.mu.Unlock()
	t.trimLocked()
	t.unlockAndDrop()
	for _, l := range left {
		if l.nothing {
			l.ended(true)
		}
	}
	return more
}

// deliver goes through the list. A subscriber that joins during the pass is at the end of the
// list, and may or may not be reached by it; a subscription that needs some of the batch begins
// behind. It returns the number of deliveries.
func (sh *shard) deliver(pass passBatch) int64 {
	var buf [runLength]*Subscription
	run, f := buf[:sh.topic.hub.runLength], fanout{shard: sh, pass: pass, all: pass.batch, nextRefresh: 1, burst: bursts.Get().(*burst)}
	for i := 0; ; i++ {
		sh.mu.Lock()
		n := copy(run, sh.list[min(i*len(run), len(sh.list)):])
		if n == 0 {
			sh.keepSlowestLocked(&f.slow)
		}
		sh.mu.Unlock()
		if n == 0 {
			bursts.Put(f.burst)
			return f.delivered
		}
		f.refresh(i)
		for _, s := range run[:n] {
			switch {
			case s.gone():
				s.flags.Or(flagSkipped) // endPass handles its backlog
			case s.behind():
				sh.watch(s, pass)
				f.slow.note(s, pass.batch)
			case s.cursor < f.all.next:
				f.deliverTo(s)
			}
		}
		f.send()
	}
}
