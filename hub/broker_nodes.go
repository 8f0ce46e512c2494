package hub

import (
	"cmp"
	"encoding/json"
	"maps"
	"sync"
	"time"
)

// nodeKey is the key under which a node's state says what it is. The keys of people begin otherwise.
const nodeKey = "node"

// nodeInfo is what a node says of itself.
type nodeInfo struct {
	ID      uint64    `json:"id"` // brokerNode.id
	Name    string    `json:"name,omitempty"`
	Started time.Time `json:"started"`
	Tells   bool      `json:"tells,omitempty"` // it has Options.OnPresence
}

// knownNodes are the peers that are known.
type knownNodes struct {
	mu  sync.Mutex
	all map[uint64]nodeInfo // by the broker's number
}

// introduce tells the peers what this node is.
func (n *brokerNode) introduce() {
	name := n.hub.opts.NodeName
	n.self = nodeInfo{ID: n.id, Name: name[:min(len(name), maxName)], Started: n.hub.began, Tells: n.hub.opts.OnPresence != nil}
	if n.peers == nil {
		return
	}
	if b, err := json.Marshal(n.self); err == nil {
		n.peers.SetState(nodeKey, b)
	}
}

func (s *knownNodes) set(peer uint64, value []byte) {
	var info nodeInfo
	if json.Unmarshal(value, &info) != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = make(map[uint64]nodeInfo)
	}
	s.all[peer] = info
}

func (s *knownNodes) remove(peer uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, peer)
}

// before reports whether a peer has Options.OnPresence and a lower ID.
func (s *knownNodes) before(peer, id uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	info, known := s.all[peer]
	return known && info.Tells && info.ID < id
}

func (s *knownNodes) copy() map[uint64]nodeInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[uint64]nodeInfo, len(s.all))
	maps.Copy(all, s.all)
	return all
}

func (s *knownNodes) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.all)
}

// isFirst reports whether this node is the oldest of those with Options.OnPresence: it knows what others knew that have
// ended since.
func (n *brokerNode) isFirst() bool {
	s := &n.nodes
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, info := range s.all {
		if info.Tells && cmp.Or(info.Started.Compare(n.self.Started), cmp.Compare(info.ID, n.id)) < 0 {
			return false
		}
	}
	return n.self.Tells
}

// tellers returns how many other nodes have Options.OnPresence.
func (s *knownNodes) tellers() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, info := range s.all {
		if info.Tells {
			n++
		}
	}
	return n
}

// PeerChanged makes brokerNode a PeerNode.
func (n *brokerNode) PeerChanged(peer uint64, key string, value []byte) {
	if key == nodeKey {
		n.nodes.set(peer, value)
		return
	}
	n.hub.roster.peerChanged(peer, key, value)
}

// PeerGone makes brokerNode a PeerNode.
func (n *brokerNode) PeerGone(peer uint64) {
	n.nodes.remove(peer)
	n.hub.roster.peerGone(peer)
}
