package hub

import (
	"sync"
	"sync/atomic"
)

// Topic is a name with subscribers, or a pattern with the subscribers to many names.
type Topic struct {
	hub     *Hub
	name    string
	opts    *TopicOptions
	epoch   uint64
	evicted atomic.Int64
	dropped atomic.Int64

	mu            sync.Mutex
	log           log
	reported      int64    // bytes held, as last reported to Hub.memory
	owner         *owner   // the owner that created it, nil if none is known; guarded by Hub.mu
	count         int      // subscribers
	laggards      int32    // subscribers that are behind
	pinned        int32    // laggards for which messages are kept, or that get nothing until they have drained
	ended         bool     // the hub has removed it
	pattern       bool     // name is a pattern; does not change
	presenceTopic bool     // it is the presence topic of another topic, and ends with that
	occupied      bool     // the program was told so: see notices
	noticed       bool     // it is in Hub.notices
	retired       bool     // it is no longer kept for its history alone: see Hub.retire
	shards        []*shard // of loops where there is or was a subscriber
	matching      []*Topic // the patterns that match, as of matchingAt
	matchingAt    uint64   // Hub.patternsAt
	remote        *remote  // nil without a broker

	presence *presence // nil if it is not kept
}

// remote is the additional state of a topic whose hub has a broker.
type remote struct {
	once sync.Once // runs brokerNode.join

	// Guarded by Topic.mu.
	begun    bool   // joining has succeeded or failed
	err      error  // why joining failed
	filled   bool   // the log has all messages that the broker holds and the topic keeps
	fetch    *fetch // the fetch under way
	reserved uint64 // sequence numbers that the log has reserved
	// local says that the positions are this node's own, because messages of the topic are not
	// stored. The broker's position of the last stored message is then in stored.
	local  bool
	stored Position

	waiting []func(error) // to be called in this order once begun is true
	calling bool          // a goroutine calls them, or is about to
}

// fetch is a request to the broker for what a topic lacks. All that need it wait for the same
// fetch.
type fetch struct {
	done chan struct{}
	err  error
}

// shard is the subscribers of a topic that belong to one loop. Only its fan-out pass delivers to
// them, and changes their positions.
type shard struct {
	topic *Topic
	task  Task
	loop  int32

	// Guarded by Topic.mu.
	members int32
	cursor  uint64 // sequence number of the first message that no pass has delivered
	taken   uint64 // the same, but counts the pass under way as done
	at      uint64 // Topic.log.end before cursor

	mu     sync.Mutex
	list   []*Subscription
	cold   *coldShard // nil most of the time
	inPass bool       // a pass is under way
	unpin  bool       // the pinned backlogs must be dropped: see unpinAll
}

// coldShard is what a shard needs only while a subscriber lags behind, leaves during a pass, or waits for its end.
type coldShard struct {
	due       []*Subscription // behind, and drained
	left      []*leave        // subscriptions in list that have left during the pass
	passEnded *sync.Cond      // a pass has ended; created by waitLocked
	slowest   *slowest        // those that the last pass has found; nil if none lags behind
}

const (
	// maxPending is how many bytes may wait for a shard before publishers must wait.
	maxPending = 8 << 20
	// runLength is how many subscribers a pass copies at a time.
	runLength = 64
)

// positionLocked returns the position after the last message.
func (t *Topic) positionLocked() Position { return Position{t.epoch, t.log.last} }

// lagsLocked counts n more subscribers that are behind.
func (t *Topic) lagsLocked(n int32) {
	t.laggards += n
	t.hub.lagging.Add(int64(n))
}

// idleLocked reports whether the topic can be removed.
func (t *Topic) idleLocked() bool {
	return t.count == 0 && (t.log.count == 0 || t.retired) && !t.presenceTopic && (t.remote == nil || t.remote.begun)
}

// wanted reports whether the topic has subscribers.
func (t *Topic) wanted() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.count > 0
}
