package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"
)

// controlTopic is the topic of the nodes' commands. No topic of a user or program can have this
// name, and there is no Topic for it. A node joins it before its first topic, so that it gets all
// commands that concern its subscribers.
const controlTopic = userMark + "/control"

// maxResults is how many results of commands a node remembers for others that ask.
const maxResults = 256

// control is a node's part in the commands.
type control struct {
	mu      sync.Mutex
	joining *joinCall // under way
	joined  bool
	at      Position              // commands up to here have been run, or are from before the node joined
	last    uint64                // ID of the last own command
	waiting map[uint64]chan<- int // by ID: own commands that have yet to be run
	results map[commandID]int     // of the last commands
	order   [maxResults]commandID // those of results, as a ring
	next    int                   // in order
	changed chan struct{}         // closed when at changes
}

// commandID identifies a command at all nodes.
type commandID struct {
	Node uint64 `json:"node"`
	ID   uint64 `json:"id"`
}

// joinCall is a call of Join for which several goroutines may wait.
type joinCall struct {
	done chan struct{}
	err  error
}

func newControl() control {
	return control{waiting: make(map[uint64]chan<- int), results: make(map[commandID]int), changed: make(chan struct{})}
}

// joinControl joins the control topic, unless that was done before.
func (n *brokerNode) joinControl() error {
	c := &n.control
	c.mu.Lock()
	if c.joined {
		c.mu.Unlock()
		return nil
	}
	if j := c.joining; j != nil {
		c.mu.Unlock()
		<-j.done
		return j.err
	}
	j := &joinCall{done: make(chan struct{})}
	c.joining = j
	c.mu.Unlock()
	ctx, cancel := n.context()
	defer cancel()
	at, err := n.broker.Join(ctx, controlTopic)
	if err != nil {
		j.err = fmt.Errorf("hub: cannot join the topic of the nodes' commands: %w", err)
	}
	c.mu.Lock()
	if c.joining = nil; err == nil {
		if p := n.linked.Load(); p != nil && (p.Epoch != at.Epoch || p.Offset > at.Offset) {
			at = *p // the connection was lost meanwhile
		}
		c.joined = true
		c.movedLocked(at)
	}
	c.mu.Unlock()
	close(j.done)
	return j.err
}

// joinControlLater joins the control topic in a goroutine. If that fails, the next topic that begins
// tries again, and so does the next connection.
func (n *brokerNode) joinControlLater() {
	n.control.mu.Lock()
	defer n.control.mu.Unlock()
	if !n.control.joined && n.control.joining == nil {
		go func() { _ = n.joinControl() }()
	}
}

func (c *control) movedLocked(at Position) {
	c.at = at
	close(c.changed)
	c.changed = make(chan struct{})
}

// passedLocked reports whether all commands up to a position have been run. A node that has not
// joined has nothing that they could concern.
func (c *control) passedLocked(at Position) bool {
	return !c.joined || c.at.Epoch != at.Epoch || c.at.Offset >= at.Offset
}

// command has all nodes run c. It runs c itself, when it comes back from the broker if possible.
func (n *brokerNode) command(c *command) (int, error) {
	ran := n.control.register(c)
	at, err := n.publishCommand(c)
	if err == nil {
		late := time.NewTimer(n.timeout)
		defer late.Stop()
		select {
		case result := <-ran:
			return result + n.resultElsewhere(commandID{n.id, c.ID}, at), nil
		case <-late.C: // the connection was lost meanwhile, but the others have it or will get it
		}
	} else {
		err = fmt.Errorf("hub: other nodes may not have got the command: %w", err)
	}
	if n.control.take(c.ID) == nil {
		return <-ran, err
	}
	return n.hub.run(c), err
}

// register gives c its ID, and returns the channel for its result at this node.
func (c *control) register(cmd *command) <-chan int {
	ran := make(chan int, 1)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last++
	cmd.ID = c.last
	c.waiting[cmd.ID] = ran
	return ran
}

// take returns the channel for the result of an own command; nil if somebody else runs it, or has
// run it.
func (c *control) take(id uint64) chan<- int {
	c.mu.Lock()
	defer c.mu.Unlock()
	ran := c.waiting[id]
	delete(c.waiting, id)
	return ran
}

func (n *brokerNode) publishCommand(c *command) (at Position, err error) {
	if err := n.joinControl(); err != nil {
		return at, err
	}
	data, err := json.Marshal(c)
	if err != nil {
		return at, err
	}
	ctx, cancel := n.context()
	defer cancel()
	answered := make(chan struct{})
	m := &Envelope{Topic: controlTopic, Kind: JSON, Data: data, Origin: Origin{Node: n.id}}
	n.broker.Publish(ctx, m, func(p Position, e error) {
		at, err = p, e
		close(answered)
	})
	<-answered
	return at, err
}

// deliverCommand runs a command from the broker, unless that was done before.
func (n *brokerNode) deliverCommand(m *Envelope) {
	c := &n.control
	c.mu.Lock()
	again := m.Position.Epoch == c.at.Epoch && m.Position.Offset <= c.at.Offset
	joined := c.joined
	c.mu.Unlock()
	var cmd command
	if again || !joined || json.Unmarshal(m.Data, &cmd) != nil {
		return
	}
	result := 0
	if m.Origin.Node != n.id {
		result = n.hub.run(&cmd)
	} else if ran := c.take(cmd.ID); ran != nil { // otherwise its caller has run it
		result = n.hub.run(&cmd)
		ran <- result
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	id := commandID{m.Origin.Node, cmd.ID}
	delete(c.results, c.order[c.next])
	c.order[c.next], c.results[id] = id, result
	c.next = (c.next + 1) % maxResults
	c.movedLocked(m.Position)
}

// recoverCommands runs the commands that were missed before at, as far as the broker holds them. The
// topics have fetched before what they missed.
func (n *brokerNode) recoverCommands(at Position) {
	c := &n.control
	c.mu.Lock()
	joined, last := c.joined, c.at
	c.mu.Unlock()
	if !joined {
		return
	}
	if last.Epoch == at.Epoch && last.Offset < at.Offset {
		for _, m := range n.missedCommands(last, at) {
			n.deliverCommand(m)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at.Epoch != at.Epoch || c.at.Offset < at.Offset {
		c.movedLocked(at)
	}
}

// missedCommands returns the commands between two positions, as far as the broker holds them. It tries again
// while the link is only down or slow.
func (n *brokerNode) missedCommands(last, at Position) []*Envelope {
	q := HistoryQuery{Subject: controlTopic, After: last.Offset, UpTo: at.Offset, Bytes: maxPending}
	until := time.Now().Add(n.timeout)
	for delay := minRetry; ; delay = min(2*delay, maxRetry) {
		ctx, cancel := context.WithTimeout(context.Background(), n.timeout/2)
		page, err := n.history(ctx, q, at.Epoch)
		cancel()
		switch {
		case err == nil:
			return page.Messages
		case errors.Is(err, ErrNoHistory), errors.Is(err, errMissed), n.hub.closed.Load(), time.Now().After(until):
			return nil
		}
		time.Sleep(delay)
	}
}

// resultOf waits until a command has been run here, and returns its result; 0 if it was not run.
func (c *control) resultOf(ctx context.Context, id commandID, at Position) int {
	for {
		c.mu.Lock()
		result, ran := c.results[id]
		passed, changed := c.passedLocked(at), c.changed
		c.mu.Unlock()
		if ran || passed {
			return result
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return 0
		}
	}
}
