package hub

import (
	"context"
	"encoding/json"
	"time"
)

// question is what a node asks all others: one of its fields is set.
type question struct {
	Ran    *ranQuestion `json:"ran,omitempty"`
	Node   bool         `json:"node,omitempty"`   // what are you, and your statistics
	Topics *TopicsQuery `json:"topics,omitempty"` // a page of your topics
}

// ranQuestion asks for the result of a command.
type ranQuestion struct {
	commandID
	At Position `json:"at"`
}

// ask asks all other nodes, and calls each with the answers, which are JSON. It does nothing if the
// broker is not one of Peers.
func (n *brokerNode) ask(ctx context.Context, q question, each func(peer uint64, answer []byte)) error {
	if n == nil || n.peers == nil {
		return nil
	}
	b, err := json.Marshal(q)
	if err != nil {
		return err
	}
	return n.peers.Ask(ctx, b, each)
}

// Answer makes brokerNode a PeerNode.
func (n *brokerNode) Answer(asked []byte) []byte {
	var q question
	if json.Unmarshal(asked, &q) != nil {
		return nil
	}
	var b []byte
	var err error
	switch {
	case q.Ran != nil:
		ctx, cancel := context.WithTimeout(context.Background(), resultTimeout)
		defer cancel()
		b, err = json.Marshal(n.control.resultOf(ctx, q.Ran.commandID, q.Ran.At))
	case q.Node:
		b, err = json.Marshal(n.hub.nodeStats())
	case q.Topics != nil:
		b, err = n.hub.answerTopics(*q.Topics)
	} // else it is a question of a later version
	if err != nil {
		return nil
	}
	return b
}

// resultTimeout bounds how long a command waits for the results of other nodes.
const resultTimeout = time.Second

// resultElsewhere returns the sum of a command's results at the other nodes.
func (n *brokerNode) resultElsewhere(id commandID, at Position) (sum int) {
	ctx, cancel := context.WithTimeout(context.Background(), resultTimeout)
	defer cancel()
	_ = n.ask(ctx, question{Ran: &ranQuestion{id, at}}, func(_ uint64, answer []byte) { // a node that does not answer counts nothing
		var result int
		if json.Unmarshal(answer, &result) == nil {
			sum += result
		}
	})
	return sum
}
