package natsbroker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fanfare-ws/fanfare/hub"
)

const (
	connectTimeout = 3 * time.Second // for each server
	pingInterval   = 5 * time.Second // two pings without an answer end the connection
	writeTimeout   = 5 * time.Second
	maxArrived     = 32 << 10 // messages that wait to be looked at, which takes a microsecond
)

// session is a connection to NATS, which ends when it fails: nats.go does not connect again by
// itself, so that what arrives belongs to one connection, and nothing is missing in between.
type session struct {
	nc      *nats.Conn
	inbox   string         // begins the subjects of answers to what is published
	arrived chan *nats.Msg // all messages of all subscriptions, in order
	ended   chan struct{}  // closed when the connection has failed
	read    chan struct{}  // closed when everything that had arrived has been read
	wake    chan struct{}  // for the writer

	// Guarded by Broker.mu.
	ops    []op
	probes map[uint64][]*waiter // that are on their way, by number
	ready  bool                 // messages may be published
	linked bool                 // the node has been linked in it
	doubt  bool                 // messages may be missing, since the last attempt to link began
	over   error                // why the session has ended
}

// op is something that the writer does besides publishing: it begins or ends a subscription, or
// has a waiter wait for the next probe.
type op struct {
	subscribe, unsubscribe string
	waiter                 *waiter
	flush                  bool // the waiter waits for the server alone, and not for a probe
}

// dialer connects to servers until Close.
type dialer struct {
	ctx context.Context
	own func(context.Context) (net.Conn, error) // Options.Dial
}

// Dial makes dialer a nats.CustomDialer.
func (d dialer) Dial(network, address string) (net.Conn, error) {
	c, err := d.connect(network, address)
	if err != nil {
		return nil, err
	}
	return &dialed{c, context.AfterFunc(d.ctx, func() { _ = c.SetDeadline(time.Now()) })}, nil // ends a handshake that is under way
}

func (d dialer) connect(network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(d.ctx, connectTimeout)
	defer cancel()
	if d.own != nil {
		return d.own(ctx)
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}

// dialed is a connection that a context interrupts.
type dialed struct {
	net.Conn
	release func() bool
}

// Close makes dialed a net.Conn.
func (d *dialed) Close() error {
	d.release()
	return d.Conn.Close()
}

// connect returns a session with one of the servers, which has subscribed to nothing yet.
func (b *Broker) connect() (*session, error) {
	s := &session{
		arrived: make(chan *nats.Msg, maxArrived), ended: make(chan struct{}), read: make(chan struct{}),
		wake: make(chan struct{}, 1), probes: make(map[uint64][]*waiter),
	}
	b.mu.Lock()
	servers := slices.Concat(b.opts.URLs, b.servers)
	b.mu.Unlock()
	if b.opts.Dial != nil {
		servers = servers[:1] // all names are the same server
	}
	options := slices.Concat(b.auth, []nats.Option{
		nats.NoReconnect(), nats.Timeout(connectTimeout), nats.SetCustomDialer(dialer{b.ctx, b.opts.Dial}),
		nats.PingInterval(pingInterval), nats.MaxPingsOutstanding(2), nats.FlusherTimeout(writeTimeout),
		nats.ClosedHandler(func(nc *nats.Conn) {
			b.mu.Lock()
			if s.over == nil {
				s.over = nc.LastError()
			}
			b.mu.Unlock()
			close(s.ended)
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			if !errors.Is(err, nats.ErrSlowConsumer) { // the reader sees that
				b.report(fmt.Errorf("natsbroker: NATS says: %w", err))
			}
		}),
		nats.LameDuckModeHandler(func(nc *nats.Conn) { b.leaveServer(s, nc) }),
	})
	nc, err := nats.Connect(strings.Join(servers, ","), options...)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoConnection, err)
	}
	s.nc, s.inbox = nc, nc.NewInbox()+"."
	return s, nil
}

// errLameDuck says that the server is about to end.
var errLameDuck = fmt.Errorf("%w: the NATS server is shutting down", hub.ErrLinkDown)

// leaveServer ends a session whose server will not accept new connections and will end soon, if
// there may be another server.
func (b *Broker) leaveServer(s *session, nc *nats.Conn) {
	if len(nc.Servers()) < 2 {
		return
	}
	b.mu.Lock()
	s.over = errLameDuck
	b.mu.Unlock()
	go nc.Close()
}

// begin lets the session work.
func (b *Broker) begin(s *session) {
	b.mu.Lock()
	for _, subject := range b.ownSubjects(s) {
		s.ops = append(s.ops, op{subscribe: subject})
	}
	for _, all := range []map[string]*joined{b.topics, b.patterns} {
		for subject, j := range all {
			if j.begun {
				s.ops = append(s.ops, op{subscribe: b.subjects.outTopic + escapePattern(subject)})
			}
		}
	}
	b.learnServersLocked(s.nc.Servers())
	b.session = s
	b.pubs.again()
	b.mu.Unlock()
	b.done.Go(func() { b.write(s) })
	b.done.Go(func() { b.read(s) })
}

// ownSubjects returns what a session subscribes to besides topics.
func (b *Broker) ownSubjects(s *session) []string {
	all := []string{
		s.inbox + "*", b.subjects.outEpoch, b.subjects.outClock, b.subjects.outProbe + b.id,
		"$JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED." + b.opts.Stream,
	}
	if b.peerNode == nil {
		return all
	}
	return append(all, b.subjects.outNode+"*", b.subjects.peer+"*", b.subjects.ask+"*", b.subjects.toSelf+"*")
}

// maxServers is how many servers a node remembers besides those that Options names.
const maxServers = 64

// learnServersLocked remembers servers that a server has told about. Each session knows only those
// that it began with and those that its own server names, so all are kept. They take the user and
// the password of the configured servers, since they belong to the same cluster.
func (b *Broker) learnServersLocked(all []string) {
	known := make(map[string]bool)
	var user *url.Userinfo
	for _, s := range b.opts.URLs {
		if u, err := parseURL(s); err == nil {
			known[u.Host] = true
			if user == nil {
				user = u.User
			}
		}
	}
	for _, s := range b.servers {
		if u, err := parseURL(s); err == nil {
			known[u.Host] = true
		}
	}
	for _, s := range all {
		if u, err := parseURL(s); err == nil && !known[u.Host] {
			u.User = user
			b.servers = append(b.servers, u.String())
		}
	}
	b.servers = b.servers[max(0, len(b.servers)-maxServers):]
}

// end ends the session: the node is told, and those that wait for an answer are.
func (b *Broker) end(s *session) {
	b.mu.Lock()
	b.session = nil
	cause := s.over
	if cause == nil {
		cause = errors.New("it was closed")
	}
	cause = fmt.Errorf("%w: %w", errNoConnection, cause)
	for _, op := range s.ops {
		if op.waiter != nil {
			op.waiter.fail(cause)
		}
	}
	for _, all := range s.probes {
		for _, w := range all {
			w.fail(cause)
		}
	}
	s.ops, s.probes = nil, nil
	b.loseLocked(cause)
	b.mu.Unlock()
}

// loseLocked tells the node that messages may be missing from here on.
func (b *Broker) loseLocked(cause error) {
	b.cause = cause
	b.peers.lost(cause)
	if b.session != nil {
		b.session.doubt = true
	}
	if b.up {
		b.up = false
		b.out.push(call{lost: cause})
	}
	b.wake()
}

// do gives the writer something to do.
func (b *Broker) doLocked(s *session, all ...op) {
	s.ops = append(s.ops, all...)
	s.rouse()
}

func (s *session) rouse() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
