package natsbroker

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fanfare-ws/fanfare/hub"
)

// Broker is a node of a cluster that NATS joins: the [hub.Broker] of one hub.
type Broker struct {
	opts     Options
	auth     []nats.Option
	subjects subjects
	id       string // of this node; no other one has it

	ctx  context.Context // until Close
	stop context.CancelFunc
	kick chan struct{} // wakes the link, which has something to do
	done sync.WaitGroup
	node hub.Node
	out  queue

	peerNode hub.PeerNode // node, if it wants to know its peers; nil otherwise
	peers    peers
	state    state

	reports reports

	mu        sync.Mutex
	closed    bool
	session   *session // nil while the node is not connected
	servers   []string // that the servers have told about, see learnServersLocked
	probe     uint64   // number of the last probe of all sessions, whose copies have one subject
	topics    map[string]*joined
	patterns  map[string]*joined
	tracker   tracker
	heard     heard
	beginning int // patterns that are being joined
	pubs      publications

	// The stream, when it was looked at last.
	perTopic          int64  // how many messages of each topic it keeps
	firstSeq, lastSeq uint64 // of its messages
	full              bool   // it may begin to drop the oldest ones
	record            epochRecord

	clock    time.Time // when the last tick came, see writeClock
	check    bool      // the link shall compare the node's state with the stream's
	up       bool      // Linked has been called, and Lost has not
	cause    error     // why the link is down
	epoch    uint64    // the present one
	epochSeq uint64    // where it begins
	before   uint64    // the epoch before it
	base     uint64    // the position given to Linked
	top      uint64    // of the messages delivered since
	compared [2]uint64 // where the last two comparisons with the stream ended
	seen     uint64    // the highest sequence number of the epoch that has come up

	configured bool // the stream; used only by the goroutine that links
}

var (
	_ hub.Broker = (*Broker)(nil)
	_ hub.Syncer = (*Broker)(nil)
)

// errNoConnection says that the node is not connected to NATS.
var errNoConnection = fmt.Errorf("%w: there is no connection to NATS", hub.ErrLinkDown)

// errClosed says that Close has been called.
var errClosed = fmt.Errorf("%w: the broker is closed", hub.ErrLinkDown)

// New returns a broker, which connects when it is attached.
func New(o Options) (*Broker, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	auth, err := o.connectOptions()
	if err != nil {
		return nil, err
	}
	self := rand.Uint64()
	b := &Broker{
		opts: o, auth: auth, subjects: subjectsOf(o.Prefix, self), id: crand.Text(),
		kick:   make(chan struct{}, 1),
		topics: make(map[string]*joined), patterns: make(map[string]*joined),
		cause: errNoConnection,
	}
	b.ctx, b.stop = context.WithCancel(context.Background())
	b.out.init(o.MaxQueue)
	b.pubs.init(o.MaxPending)
	b.state.least = minRemoved
	b.peers.init(self, o.MaxPeerState, &b.out)
	return b, nil
}

// Attach makes Broker a [hub.Broker].
func (b *Broker) Attach(n hub.Node) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	b.node = n
	if b.peerNode, _ = n.(hub.PeerNode); b.peerNode != nil {
		b.done.Go(b.share)
	} else {
		b.state.end()
	}
	b.done.Go(b.run)
	b.done.Go(b.deliver)
}

// Close makes Broker a [hub.Broker]. It must not be called from within a method of [hub.Node]. It
// waits for the server for a second at most, and for answers to other nodes.
func (b *Broker) Close() error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return errors.New("natsbroker: the broker is closed already")
	}
	b.closed = true
	shares := b.peerNode != nil
	b.mu.Unlock()
	if shares {
		b.peers.sayGoodbye()
	}
	b.state.end()
	b.stop()
	b.out.close()
	b.done.Wait()
	b.abandon(errors.New("the broker is closed"))
	return nil
}

// run keeps a connection to NATS until Close.
func (b *Broker) run() {
	var delay backoff
	for b.ctx.Err() == nil {
		s, err := b.connect()
		if err != nil {
			b.report(err)
			delay.wait(b.ctx, nil)
			continue
		}
		begun := time.Now()
		b.serve(s)
		if time.Since(begun) > time.Second { // otherwise the server may refuse this node
			delay = backoff{}
		} else {
			delay.wait(b.ctx, nil)
		}
	}
}

// report calls Options.OnError, unless it has been called with the same text lately, or very often.
func (b *Broker) report(err error) {
	if b.opts.OnError != nil && b.ctx.Err() == nil && b.reports.may(err.Error(), time.Now()) {
		b.opts.OnError(err)
	}
}

// wake makes the link look for work.
func (b *Broker) wake() {
	select {
	case b.kick <- struct{}{}:
	default:
	}
}
