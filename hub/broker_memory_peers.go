package hub

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
)

// memoryPeer is what makes a MemoryNode one of several [Peers]. Guarded by MemoryBroker.mu.
type memoryPeer struct {
	number    uint64
	node      PeerNode // nil before Attach, and if the Node is not a PeerNode
	state     map[string][]byte
	told      map[*MemoryNode]map[string][]byte // what the node has been told of the others
	ended     chan struct{}                     // closed by Close
	answering sync.WaitGroup                    // calls of node.Answer
}

// peerChange is a call of PeerChanged, or of PeerGone.
type peerChange struct {
	peer  uint64
	key   string
	value []byte
	gone  bool
}

// What SetState and Ask take at most, in bytes.
const (
	maxStateKey   = 1 << 10
	maxStateValue = 64 << 10
	maxQuestion   = 512 << 10 // and the most of an answer
)

// SetState makes MemoryNode one of the Peers. It panics if the key or the value is too long.
func (n *MemoryNode) SetState(key string, value []byte) {
	if len(key) > maxStateKey || len(value) > maxStateValue {
		panic(fmt.Sprintf("hub: a key of %d bytes with a value of %d; at most %d and %d are allowed", len(key), len(value), maxStateKey, maxStateValue))
	}
	b := n.broker
	b.mu.Lock()
	defer b.mu.Unlock()
	if n.closed {
		return
	}
	if value == nil {
		delete(n.peer.state, key)
	} else {
		n.peer.state[key] = value
	}
	for other := range b.nodes {
		other.hearLocked(n, key)
	}
}

// hearLocked tells n what from has for the key, if that is news and both are connected.
func (n *MemoryNode) hearLocked(from *MemoryNode, key string) {
	if n == from || n.peer.node == nil || from.node == nil || n.down || from.down {
		return
	}
	value, is := from.peer.state[key]
	old, was := n.peer.told[from][key]
	if is == was && bytes.Equal(value, old) {
		return
	}
	told := n.peer.told[from]
	if told == nil {
		told = make(map[string][]byte)
		n.peer.told[from] = told
	}
	if is {
		told[key] = value
	} else {
		delete(told, key)
	}
	n.pushLocked(nodeCall{peer: &peerChange{peer: from.peer.number, key: key, value: value}})
}

// hearAllLocked tells n everything about from that is news.
func (n *MemoryNode) hearAllLocked(from *MemoryNode) {
	keys := slices.AppendSeq(slices.Collect(maps.Keys(from.peer.state)), maps.Keys(n.peer.told[from]))
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		n.hearLocked(from, key)
	}
}

// meetLocked is called when n has been connected: n and the others learn what they do not know of
// each other.
func (n *MemoryNode) meetLocked() {
	for other := range n.peer.told {
		if other.closed {
			n.loseLocked(other)
		}
	}
	for other := range n.broker.nodes {
		n.hearAllLocked(other)
		other.hearAllLocked(n)
	}
}

// loseLocked tells n that a node has ended, if n knew it. While n is not connected, it does not
// learn that.
func (n *MemoryNode) loseLocked(ended *MemoryNode) {
	if _, known := n.peer.told[ended]; known && !n.down {
		delete(n.peer.told, ended)
		n.pushLocked(nodeCall{peer: &peerChange{peer: ended.peer.number, gone: true}})
	}
}

func (n *MemoryNode) callPeer(c *peerChange) {
	if c.gone {
		n.peer.node.PeerGone(c.peer)
	} else {
		n.peer.node.PeerChanged(c.peer, c.key, c.value)
	}
}

// memoryAnswer is what a node answers; nothing if it has ended.
type memoryAnswer struct {
	peer  uint64
	data  []byte
	ended bool
}

// Ask makes MemoryNode one of the Peers.
func (n *MemoryNode) Ask(ctx context.Context, question []byte, each func(peer uint64, answer []byte)) error {
	if len(question) > maxQuestion {
		return fmt.Errorf("hub: a question has %d bytes; at most %d are allowed", len(question), maxQuestion)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	b := n.broker
	b.mu.Lock()
	if err := n.errLocked(); err != nil {
		b.mu.Unlock()
		return err
	}
	answers := make(chan memoryAnswer, len(b.nodes))
	all := 0
	for other := range b.nodes {
		if other != n && other.peer.node != nil {
			all++
			other.peer.answering.Add(1)
			go other.answer(ctx, n, question, answers)
		}
	}
	b.mu.Unlock()
	for missing := all; missing > 0; missing-- {
		select {
		case a := <-answers:
			if !a.ended {
				each(a.peer, a.data)
			}
		case <-n.peer.ended:
			return fmt.Errorf("%w: the node is closed", ErrLinkDown)
		case <-ctx.Done():
			return fmt.Errorf("hub: %d of %d nodes have not answered: %w", missing, all, ctx.Err())
		}
	}
	return nil
}

// answer answers a question, unless one of the two nodes is cut meanwhile.
func (n *MemoryNode) answer(ctx context.Context, from *MemoryNode, question []byte, answers chan<- memoryAnswer) {
	defer n.peer.answering.Done()
	n.broker.mu.Lock()
	cuts, down := n.cuts.Load()+from.cuts.Load(), n.down || from.down
	n.broker.mu.Unlock()
	if !down {
		a := memoryAnswer{peer: n.peer.number, data: n.peer.node.Answer(question)}
		if n.cuts.Load()+from.cuts.Load() == cuts && len(a.data) <= maxQuestion {
			answers <- a
			return
		}
	}
	select {
	case <-n.peer.ended:
		answers <- memoryAnswer{ended: true}
	case <-ctx.Done():
	}
}
