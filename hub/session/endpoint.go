package session

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/netpoll"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// Options configure an [Endpoint]. The zero value lets everybody do everything, anonymously. The
// functions are called from any goroutine, one at a time for a connection. They hold up nothing
// but that connection's requests; but functions without a done parameter run in the connection's
// turn, so one that waits keeps a worker, unless Background is set.
//
// At most one of a pair such as Authorize and AuthorizeAsync may be set. The Async function
// returns at once, and done must be called once when the answer is known: from any goroutine,
// perhaps before the function returns. done does not block. A request for which done is not
// called gets no reply, and holds up the client's later requests.
type Options struct {
	// Identify returns who connects. An error refuses the handshake, best a *wsproto.Refusal;
	// any other error is sent with status 403. If Identify is nil, every client is anonymous.
	Identify func(r *wsproto.Request) (hub.Identity, error)

	// Authorize decides whether a member may do something with a topic or pattern: do is
	// wire.Subscribe, Publish, History or Presence. The client gets its error, with the code
	// forbidden unless it is a *wire.Error. The right to subscribe includes presence events.
	Authorize      func(m *hub.Member, do, topic string) error
	AuthorizeAsync func(m *hub.Member, do, topic string, done func(error))

	// Subscribed, if not nil, is called when a member has subscribed, before it gets anything.
	// An error ends the subscription, and is sent as Authorize's is. A program that revokes a
	// right and then ends the subscriptions, with hub.DisconnectIf, misses nobody if Subscribed
	// checks the right once more: one of the two sees the other.
	Subscribed      func(m *hub.Member, topic string) error
	SubscribedAsync func(m *hub.Member, topic string, done func(error))

	// Publish, if not nil, handles the clients' publish requests in place of the endpoint. It
	// may store r.Data, which is compact JSON and does not change, publish something else, or
	// publish nothing. The reply has the receipt's position, if there is one. A client that did
	// not ask for r.Echo takes the message at that position for its own and skips it, so Publish
	// must then exclude m from the message, or return no position. The client gets an error,
	// best a *wire.Error, with the code forbidden if it is another. r is valid until the answer.
	//
	// PublishAsync is called for one publish after the other, in order, without waiting for the
	// answers to earlier ones; the replies keep the order of the requests. All other requests
	// wait until all requests before them have been answered.
	Publish      func(m *hub.Member, r *wire.Request) (hub.Receipt, error)
	PublishAsync func(m *hub.Member, r *wire.Request, done func(hub.Receipt, error))

	// Delay, if not nil, is called before all others, and returns how long a request must wait,
	// to limit the rate of a connection or a user. Later requests of the connection wait, too.
	// Delay must not block.
	Delay func(m *hub.Member, r *wire.Request) time.Duration

	// MaxData bounds hub.Identity.Data of a connection, which presence sends to others, in
	// bytes; 4 KiB if 0, and at most hub.Options.MaxPresenceData, which holds for members of all
	// protocols. Beyond it the handshake is refused with 413.
	MaxData int
	// MaxDataTotal bounds the data of all connections together, in bytes; a 64th of the memory
	// limit if 0, no limit if negative. Beyond it handshakes with data are refused with 503, or,
	// if many come at once, the connection is closed with 1013. hub.Options.MaxPresence bounds
	// something else: the lists of people in topics, where one connection may be in many.
	MaxDataTotal int64
	// MaxRequests bounds the requests of a connection that wait for their replies; 64 if 0. With
	// that number, or 256 KiB of them, the connection is not read until half of them have been
	// answered.
	MaxRequests int
	// MaxWaiting bounds the waiting requests of all open connections together, in bytes; a 32nd
	// of the memory limit if 0, no limit if negative. A request that does not fit gets the error
	// busy, except a connection's only one if it has at most 1 KiB. So does a request of a
	// connection whose waiting requests exceed eight times what is left, so the connections that
	// hold most are refused first. A connection with more than 4 KiB is then not read, either,
	// until one of its requests has been answered.
	MaxWaiting int64
	// Background is the number of goroutines that handle requests in place of the connections'
	// turns, for functions and brokers that may wait. Each handles one connection at a time, and
	// connections wait in the order in which their requests came. 0 means in the turns, or 64 if
	// the hub has a broker; a negative value means always in the turns.
	Background int
}

func (o *Options) setDefaults(h *hub.Hub) {
	if o.MaxRequests <= 0 {
		o.MaxRequests = 64
	}
	if o.MaxWaiting == 0 {
		o.MaxWaiting = netpoll.MemoryLimit() / 32
	}
	if o.MaxData <= 0 {
		o.MaxData = 4 << 10
	}
	o.MaxData = min(o.MaxData, h.Options().MaxPresenceData)
	if o.MaxDataTotal == 0 {
		o.MaxDataTotal = netpoll.MemoryLimit() / 64
	}
	switch {
	case o.Background < 0:
		o.Background = 0
	case o.Background == 0 && h.HasBroker():
		o.Background = 64
	}
}

// Endpoint accepts clients of the protocol. Its methods are safe from any goroutine.
type Endpoint struct {
	hub     *hub.Hub
	opts    Options
	workers workers

	waiting    atomic.Int64 // bytes of requests that wait for their replies
	data       atomic.Int64 // bytes of presence data of open connections
	held, shed atomic.Int64
}

// New returns an endpoint for the topics of h. It panics if two options exclude each other.
func New(h *hub.Hub, o Options) *Endpoint {
	for name, both := range map[string]bool{
		"Authorize": o.Authorize != nil && o.AuthorizeAsync != nil, "Subscribed": o.Subscribed != nil && o.SubscribedAsync != nil,
		"Publish": o.Publish != nil && o.PublishAsync != nil,
	} {
		if both {
			panic("session: Options has " + name + " and " + name + "Async: one of them can answer")
		}
	}
	o.setDefaults(h)
	return &Endpoint{hub: h, opts: o, workers: workers{most: o.Background}}
}

// Stats are counters of an [Endpoint].
type Stats struct {
	Waiting int64 // bytes of requests that now wait for their replies
	Held    int64 // how often a connection was not read because too many of its requests waited
	Busy    int64 // requests that were answered with the error busy
	Data    int64 // bytes of hub.Identity.Data of the connections that are open now
}

// Stats returns the endpoint's counters.
func (e *Endpoint) Stats() Stats {
	return Stats{e.waiting.Load(), e.held.Load(), e.shed.Load(), e.data.Load()}
}

// Options returns the options in force, with the defaults filled in.
func (e *Endpoint) Options() Options { return e.opts }

// Accept is a Server.Accept: it gives the connection a handler of its own. A client that offers
// subprotocols must offer the protocol's own, wire.Protocol.
func (e *Endpoint) Accept(r *wsproto.Request) error {
	if offers := r.Subprotocols(); slices.Contains(offers, wire.Protocol) {
		r.Subprotocol = wire.Protocol
	} else if len(offers) > 0 {
		return wsproto.Refuse(http.StatusBadRequest, fmt.Sprintf(
			"the subprotocol here is %s; the client offers only %s", wire.Protocol, strings.Join(offers, ", ")))
	}
	var id hub.Identity
	if e.opts.Identify != nil {
		var err error
		if id, err = e.opts.Identify(r); err != nil {
			return refusal(err)
		}
	}
	if id.User != "" {
		if err := hub.CheckUser(id.User); err != nil {
			return refusal(err)
		}
	}
	if err := e.checkData(id.Data); err != nil {
		return err
	}
	r.Handler = &session{end: e, queue: &queue{id: id}}
	return nil
}

// checkData returns nil if a connection may have that presence data, or else the refusal.
func (e *Endpoint) checkData(data []byte) error {
	size := len(data)
	switch most := e.opts.MaxDataTotal; {
	case size > e.opts.MaxData:
		return wsproto.Refuse(http.StatusRequestEntityTooLarge, fmt.Sprintf("the presence data has %d bytes; the limit is %d", size, e.opts.MaxData))
	case size > 0 && most > 0 && e.data.Load()+int64(size) > most:
		return wsproto.Refuse(http.StatusServiceUnavailable, noRoom)
	}
	if size > 0 {
		if err := wire.CheckJSON(data); err != nil {
			return wsproto.Refuse(http.StatusBadRequest, "the presence data: "+wire.Plain(err))
		}
	}
	return nil
}

// takeData counts the presence data of a connection that opens, and reports whether there was
// room.
func (e *Endpoint) takeData(size int64) bool {
	most := e.opts.MaxDataTotal
	if size > 0 && e.data.Add(size) > most && most > 0 {
		e.data.Add(-size)
		return false
	}
	return true
}

// noRoom is the reason for refusing a connection with presence data when MaxDataTotal is reached.
const noRoom = "there is no room for more presence data; connect without data, or later"

func refusal(err error) error {
	if _, ok := err.(*wsproto.Refusal); ok {
		return err
	}
	return wsproto.Refuse(http.StatusForbidden, wire.Plain(err))
}
