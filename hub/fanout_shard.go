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
	if sh.passEnded == nil {
		sh.passEnded = sync.NewCond(&sh.mu)
	}
	sh.passEnded.Wait()
}
