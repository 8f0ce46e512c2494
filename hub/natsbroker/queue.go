package natsbroker

import (
	"sync"

	"github.com/fanfare-ws/fanfare/hub"
)

// messageCost is what a message counts for besides its bytes.
const messageCost = 256

// cost returns what a message counts for in limits.
func cost(m *hub.Envelope) int { return len(m.Topic) + len(m.Data) + len(m.Key) + messageCost }

// call is a call of a method of hub.Node, or a call of Sync that waits for its turn.
type call struct {
	message *hub.Envelope
	lost    error
	linked  *linked
	synced  chan error // has room for one
	peer    *peerCall
}

// linked is a position from which on everything is delivered.
type linked struct {
	at   hub.Position
	base uint64 // the position before
	top  uint64 // up to which everything had been delivered after base
}

// queue holds the calls for the node. Its messages are bounded; the other calls are few.
type queue struct {
	max int

	mu     sync.Mutex
	ready  chan struct{}
	calls  []call
	size   int // of the messages, also of those that are being delivered
	states int // the same of what is told about the states of peers
	closed bool
}

func (q *queue) init(most int) { q.max, q.ready = most, make(chan struct{}, 1) }

// push appends a call. It returns false if there is no room for a message.
func (q *queue) push(c call) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return true
	}
	if c.message != nil {
		if q.size > q.max {
			return false
		}
		q.size += cost(c.message)
	}
	if c.peer != nil {
		q.states += c.peer.size
	}
	q.calls = append(q.calls, c)
	select {
	case q.ready <- struct{}{}:
	default:
	}
	return true
}

// dropMessages removes the messages that wait, and fails the calls of Sync that wait for them. What
// comes next must be a loss.
func (q *queue) dropMessages() {
	q.mu.Lock()
	defer q.mu.Unlock()
	rest := q.calls[:0]
	for _, c := range q.calls {
		switch {
		case c.message != nil:
			q.size -= cost(c.message)
		case c.synced != nil:
			c.synced <- errTooSlow
		default:
			rest = append(rest, c)
		}
	}
	clear(q.calls[len(rest):])
	q.calls = rest
}

// take returns the next calls: those that wait, but not more than a few, so that a loss comes soon.
func (q *queue) take(all []call) []call {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil
	}
	n := min(len(q.calls), 64)
	all = append(all, q.calls[:n]...)
	clear(q.calls[:n])
	if q.calls = q.calls[n:]; len(q.calls) == 0 {
		q.calls = nil
	}
	return all
}

// delivered says that a message that was taken has been delivered, and returns whether there is
// room again.
func (q *queue) delivered(m *hub.Envelope) (room bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	before := q.size
	q.size -= cost(m)
	return before > q.max/2 && q.size <= q.max/2
}

// hasRoom reports whether the queue is not more than half full.
func (q *queue) hasRoom() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.size <= q.max/2
}

// hasStateRoom reports whether more may be told about the states of peers. It may fill half of what
// messages may, besides them.
func (q *queue) hasStateRoom() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.states <= q.max/2
}

// stateDelivered says that something about the state of a peer has been told, and returns whether
// there is room again.
func (q *queue) stateDelivered(size int) (room bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	before := q.states
	q.states -= size
	return before > q.max/2 && q.states <= q.max/2
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed, q.calls = true, nil
	close(q.ready)
}
