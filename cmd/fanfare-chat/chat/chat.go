package chat

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/account"
	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/fair"
	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/session"
	"github.com/fanfare-ws/fanfare/hub/wshub"
	"github.com/fanfare-ws/fanfare/netpoll"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// Options configures a [Chat]. Those without a default have to be set.
type Options struct {
	Store    store.Store
	Accounts *account.Accounts
	Page     http.Handler    // what is not of the API: the page
	Logger   *slog.Logger    // slog.Default() if nil
	Proxies  wsproto.Proxies // those in front that are trusted: see wsproto.Server
	Hosts    []string        // further names of this server: see wsproto.Server
	Limits   Limits
	Now      func() time.Time // the clock; time.Now if nil
}

// Chat is a server of rooms. Its methods are safe from any goroutine.
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
	calls      *fair.Semaphore[int64]      // of the API, to the store
	handshakes *fair.Semaphore[netip.Addr] // handshakes that ask the store, none of which waits for that
	counters   counters
	ended      endedLogins
	sweeper    *sweeper
}

const (
	// maxRequest bounds what a client sends, in bytes: the longest text, all of whose
	// characters JSON may have escaped, fits.
	maxRequest = 64 << 10
	// maxPending is for how much of a room a client may be late, in bytes, as a page is
	// that has just been opened over a slow line.
	maxPending = 4 << 20
	// workers bounds the turns at a time, of which only handshakes wait for the store. Each
	// holds a stack and a buffer, for which all who are connected would pay: when a server
	// has been restarted they all come at once.
	workers    = 64
	readBuffer = 16 << 10
	// maxHandshakes bounds the handshakes that wait for the store at a time: the other
	// workers are for those who are connected. Of one address there are half as many.
	maxHandshakes, maxHandshakesPerAddr = workers / 2, workers / 4

	// checkers are the goroutines that ask the store whether a user may hear a room; of one
	// user, and in total, so many questions wait.
	checkers, maxChecksPerUser, maxChecks = 8, 512, 1 << 16
	// maxCalls are the requests of the API that ask the store at a time, of them so many of
	// one user; and so many wait, of one user and in total.
	maxCalls, maxCallsPerUser, maxWaitingCallsPerUser, maxWaitingCalls = 16, 4, 32, 2048
)

// counters count what was refused.
type counters struct{ refused atomic.Int64 }

// New returns a chat, which is served by its Server, and closed by Close.
func New(o Options) *Chat {
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
	c.rates = newRates(c.limits)
	c.server = &wsproto.Server{
		Accept:     c.accept,
		HTTP:       c.pages(),
		Proxies:    o.Proxies,
		Hosts:      o.Hosts,
		MaxMessage: maxRequest,
		Logger:     o.Logger,
		Engine:     netpoll.Options{MaxPending: maxPending, Workers: workers, ReadBuffer: readBuffer},
	}
	c.hub = hub.New(hub.Options{
		Workers: wshub.Workers(c.server),
		Topic:   topicOptions,
	})
	c.sessions = session.New(c.hub, session.Options{
		Identify:        c.identify,
		AuthorizeAsync:  c.authorize,
		SubscribedAsync: c.subscribed,
		PublishAsync:    c.publish,
		Delay:           c.delay,
	})
	c.commits = newCommitLog(o.Store, c.limits.Uncommitted, c.limits.AllUncommitted, o.Now, c.announce)
	c.sweeper = newSweeper(c.sweep)
	return c
}

// Deliver closes everybody who is connected with 1001, when they have got what was said: see
// hub.Shutdown. It comes before the shutdown of the server.
func (c *Chat) Deliver(ctx context.Context) error { return c.hub.Shutdown(ctx) }

// Server returns what listens; it is the caller's to shut down, before Close.
func (c *Chat) Server() *wsproto.Server { return c.server }

// Close returns when all that has been said is stored. The server has to be shut down, and
// the store may be closed then.
func (c *Chat) Close() {
	c.sweeper.close()
	c.jobs.close()
	c.commits.close()
}

// accept finds the handler for a WebSocket's path.
func (c *Chat) accept(r *wsproto.Request) error {
	path := r.Path()
	switch path {
	case hubPath:
		return c.sessions.Accept(r)
	case echoPath:
		r.Handler = echo
		return nil
	}
	if room, ok := parseRoom(path, roomsPath); ok {
		return c.acceptRoomConn(r, room)
	}
	return wsproto.Refuse(http.StatusNotFound, "there is no WebSocket at "+path+": try "+hubPath+" or "+roomsPath+"ID")
}

const (
	hubPath   = "/hub"
	roomsPath = "/rooms/"
	echoPath  = "/socket"
)

// echo sends back what it gets. One serves all connections.
var echo = &wsproto.Funcs{Message: func(c *wsproto.Conn, op wsproto.Opcode, payload []byte) {
	if c.Send(op, payload) == wsproto.Full {
		c.Close(wsproto.TryAgainLater, "the backlog is full")
	}
}}
