package hub

import "sync"

// passBatch is the batch that the whole shard gets in a pass.
type passBatch struct {
	*batch
	cursor uint64 // of the shard, before the pass
	limit  uint64 // a subscriber below this sequence number lags too far behind after the pass
	oldest uint64 // a subscriber below this sequence number has a gap
}

func newShard(t *Topic, loop int) *shard {
	sh := &shard{topic: t, loop: int32(loop)}
	sh.task = t.hub.opts.Workers.NewTask(loop, sh)
	return sh
}

// shardLocked returns the shard for a loop.
func (t *Topic) shardLocked(loop int) *shard {
	loop %= t.hub.loops
	for _, sh := range t.shards {
		if int(sh.loop) == loop {
			return sh
		}
	}
	sh := newShard(t, loop)
	t.shards = append(t.shards, sh)
	return sh
}

// subscribers returns the subscriptions that have not left.
func (t *Topic) subscribers() (all []*Subscription) {
	t.mu.Lock()
	defer t.mu.Unlock()
	all = make([]*Subscription, 0, t.count)
	for _, sh := range t.shards {
		all = sh.appendAll(all)
	}
	return all
}

// skipLocked moves the cursor to the end of the log when no subscriber needs the messages before
// it. The caller holds Topic.mu.
func (sh *shard) skipLocked() {
	l := &sh.topic.log
	sh.cursor, sh.taken, sh.at = l.next, l.next, l.end
}

func (sh *shard) add(s *Subscription) {
	sh.mu.Lock()
	s.slot = int32(len(sh.list))
	sh.list = append(sh.list, s)
	sh.mu.Unlock()
}

// removeAtLocked removes the subscriber at index i; the last one takes its place.
func (sh *shard) removeAtLocked(i int) {
	last := len(sh.list) - 1
	sh.list[i] = sh.list[last]
	sh.list[i].slot = int32(i)
	sh.list[last] = nil
	sh.list = sh.list[:last]
	if cap(sh.list) > 64 && len(sh.list) < cap(sh.list)/4 {
		sh.list = append(make([]*Subscription, 0, 2*len(sh.list)), sh.list...)
	}
}

// appendAll appends the subscribers that have not left.
func (sh *shard) appendAll(all []*Subscription) []*Subscription {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for _, s := range sh.list {
		if !s.gone() {
			all = append(all, s)
		}
	}
	return all
}

// waitLocked waits for the end of the pass under way.
func (sh *shard) waitLocked() {
	k := sh.coldLocked()
	if k.passEnded == nil {
		k.passEnded = sync.NewCond(&sh.mu)
	}
	k.passEnded.Wait()
}

func (sh *shard) coldLocked() *coldShard {
	if sh.cold == nil {
		sh.cold = new(coldShard)
	}
	return sh.cold
}

// dueLocked has the next pass offer s more.
func (sh *shard) dueLocked(s *Subscription) {
	k := sh.coldLocked()
	k.due = append(k.due, s)
}

// takeLeftLocked takes the subscriptions that have left during the pass.
func (sh *shard) takeLeftLocked() (left []*leave) {
	if k := sh.cold; k != nil {
		left, k.left = k.left, nil
	}
	return left
}

// passOverLocked notes that no pass is under way any more. It reports whether a subscriber is due.
func (sh *shard) passOverLocked() (due bool) {
	sh.inPass = false
	k := sh.cold
	if k == nil {
		return false
	}
	if k.passEnded != nil {
		k.passEnded.Broadcast()
	}
	sh.dropColdLocked()
	return len(k.due) > 0
}

// dropColdLocked drops cold, which there is, if it holds nothing. No pass is under way.
func (sh *shard) dropColdLocked() {
	if k := sh.cold; k.due == nil && k.left == nil && k.passEnded == nil && k.slowest == nil {
		sh.cold = nil
	}
}
