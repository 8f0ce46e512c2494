package chat

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/account"
	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/fair"
	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
	"github.com/fanfare-ws/fanfare/cmd/internal/cluster"
	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/session"
	"github.com/fanfare-ws/fanfare/hub/wshub"
	"github.com/fanfare-ws/fanfare/netpoll"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// Options configures a [Chat]. Fields without a default are required.
type Options struct {
	Store    store.Store
	Accounts *account.Accounts
	Page     http.Handler    // serves all paths outside the API; default: 404
	Logger   *slog.Logger    // default: slog.Default()
	Proxies  wsproto.Proxies // trusted proxies in front of the server: see wsproto.Server
	Hosts    []string        // further names of this server: see wsproto.Server
	Limits   Limits
	Cluster  *cluster.Link    // to the other nodes, which have the same database; nil if the chat is a single process
	Now      func() time.Time // the clock; default: time.Now
}

// Chat is a chat server. Its methods may be called from any goroutine.
type Chat struct {
	opts       Options
	store      store.Store
	accounts   *account.Accounts
	server     *wsproto.Server
	hub        *hub.Hub
	sessions   *session.Endpoint
	commits    *commitLog
	limits     Limits
	rates      rates
	jobs       *jobs
	calls      *fair.Semaphore[int64]      // requests of the API that use the store
	handshakes *fair.Semaphore[netip.Addr] // handshakes that use the store; they do not wait for a place
	conns      connLimits
	counters   counters
	ended      endedLogins
	sweeper    *sweeper

	// In a cluster.
	unpublished outbox
	repeater    *sweeper       // of that
	orders      sync.WaitGroup // that are carried out
}

const (
	// maxRequest bounds a message from a client, in bytes. It is enough for the longest text
	// with every character escaped in JSON.
	maxRequest = 64 << 10
	// maxPending bounds the pending output of a slow client, in bytes. A page that has just been
	// opened over a slow link needs some.
	maxPending = 4 << 20
	// workers bounds the concurrent turns, of which only handshakes wait for the store. Each worker
	// has a stack and a buffer, so more workers would cost memory when all clients reconnect at
	// once after a restart.
	workers    = 64
	readBuffer = 16 << 10
	// maxHandshakes bounds the handshakes that wait for the store at a time, in total and per
	// address. The other workers serve the established connections.
	maxHandshakes, maxHandshakesPerAddr = workers / 2, workers / 4

	// checkers is the number of goroutines that ask the store for memberships. The others bound
	// the waiting checks, per user and in total.
	checkers, maxChecksPerUser, maxChecks = 8, 512, 1 << 16
	// These bound the requests of the API that use the store at a time, in total and per user,
	// and the waiting ones, per user and in total.
	maxCalls, maxCallsPerUser, maxWaitingCallsPerUser, maxWaitingCalls = 16, 4, 32, 2048
)

// counters count refused requests and connections.
type counters struct{ refused atomic.Int64 }

// New returns a chat. The caller must serve it by its Server, and close it. The error is that of
// [Limits.Validate].
func New(o Options) (*Chat, error) {
	if err := o.Limits.Validate(); err != nil {
		return nil, err
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	c := &Chat{
		opts: o, store: o.Store, accounts: o.Accounts, limits: o.Limits.WithDefaults(),
		jobs:       newJobs(checkers, maxChecksPerUser, maxChecks),
		calls:      fair.NewSemaphore[int64](maxCalls, maxCallsPerUser, maxWaitingCallsPerUser, maxWaitingCalls),
		handshakes: fair.NewSemaphore[netip.Addr](maxHandshakes, maxHandshakesPerAddr, 0, 0),
	}
	c.rates, c.conns = newRates(c.limits), newConnLimits(c.limits)
	c.server = &wsproto.Server{
		Accept:     c.accept,
		HTTP:       c.httpHandler(),
		Proxies:    o.Proxies,
		Hosts:      o.Hosts,
		MaxMessage: maxRequest,
		Logger:     o.Logger,
		Engine:     netpoll.Options{MaxPending: maxPending, Workers: workers, ReadBuffer: readBuffer},
	}
	ho := hub.Options{Workers: wshub.Workers(c.server), Topic: TopicOptions, OnTold: c.told}
	if o.Cluster != nil {
		o.Cluster.Use(&ho, writeTime/2)
	}
	c.hub = hub.New(ho)
	c.sessions = session.New(c.hub, session.Options{
		Identify:        c.identify,
		AuthorizeAsync:  c.authorize,
		SubscribedAsync: c.subscribed,
		PublishAsync:    c.publish,
		Delay:           c.delay,
	})
	c.commits = newCommitLog(o.Store, c.limits.Uncommitted, c.limits.AllUncommitted, o.Now, c.announce)
	c.sweeper = newSweeper(sweepEvery, c.sweep)
	if o.Cluster != nil {
		c.repeater = newSweeper(retryEvery, c.republish)
	}
	return c, nil
}

// Deliver closes all connections of the hub with 1001, after the delivery of the messages published
// before: see hub.Shutdown. The caller must call it before it shuts the server down.
func (c *Chat) Deliver(ctx context.Context) error { return c.hub.Shutdown(ctx) }

// Start links the chat to the other nodes of its cluster, if it is one. The first use of the hub does so, too.
func (c *Chat) Start() { c.hub.Start() }

// Server returns the server of the chat. The caller must shut it down before Close.
func (c *Chat) Server() *wsproto.Server { return c.server }

// Close returns when all accepted messages are stored. The caller must have shut the server down, and
// may close the store afterwards.
func (c *Chat) Close() {
	c.sweeper.close()
	c.jobs.close()
	c.commits.close()
	if c.repeater != nil {
		c.repeater.close()
	}
	if c.opts.Cluster != nil {
		_ = c.opts.Cluster.Close() // after that nobody gives orders
	}
	c.orders.Wait()
}

// accept selects the handler for the path of a WebSocket.
func (c *Chat) accept(r *wsproto.Request) error {
	path := r.Path()
	switch path {
	case hubPath:
		return c.acceptSession(r)
	case echoPath:
		c.count(r, &countedConn{Handler: echo})
		return nil
	}
	if room, ok := parseRoom(path, roomsPath); ok {
		return c.acceptRoomConn(r, room)
	}
	return wsproto.Refuse(http.StatusNotFound, "there is no WebSocket endpoint at "+path+"; the endpoints are "+hubPath+" and "+roomsPath+"ID")
}

// acceptSession accepts a connection of fanfare.v1.
func (c *Chat) acceptSession(r *wsproto.Request) error {
	h := new(countedConn)
	r.Handler = h // where identify finds it
	if err := c.sessions.Accept(r); err != nil {
		return err
	}
	h.Handler = r.Handler
	c.count(r, h)
	return nil
}

const (
	hubPath   = "/hub"
	roomsPath = "/rooms/"
	echoPath  = "/socket"
)

// echo sends each message back. One handler serves all connections.
var echo = &wsproto.Funcs{Message: func(c *wsproto.Conn, op wsproto.Opcode, payload []byte) {
	if c.Send(op, payload) == wsproto.Full {
		c.Close(wsproto.TryAgainLater, "the backlog is full")
	}
}}
