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

// Options configures an [Endpoint]. The zero value lets everybody do everything,
// anonymously. The functions are called from any goroutine, one at a time for a
// connection, and hold nothing up but that connection's requests; but those that are not
// called with a done function run in the connection's turn, so who waits in one keeps a
// worker, unless Background says otherwise.
//
// Of a pair such as Authorize and AuthorizeAsync at most one may be set. The second
// returns at once, and has done called when the answer is known: by any goroutine, once,
// perhaps before it returns. done does not block. What done is not called for is not
// answered, and holds up what the client asks for after that.
type Options struct {
	// Identify says who connects. An error refuses the handshake, best a
	// *wsproto.Refusal; any other is told with 403. Everybody is anonymous if nil.
	Identify func(r *wsproto.Request) (hub.Identity, error)

	// Authorize says whether a member may do something with a topic or pattern: do is
	// wire.Subscribe, Publish, History or Presence. Its error is told to the client, as
	// forbidden unless it is a *wire.Error. Who may subscribe may have presence with it.
	Authorize      func(m *hub.Member, do, topic string) error
	AuthorizeAsync func(m *hub.Member, do, topic string, done func(error))

	// Subscribed, if not nil, is asked when a member has subscribed, before it gets
	// anything: its error ends the subscription, and is told as Authorize's. Whoever takes
	// a right away, and then ends what is subscribed, with hub.DisconnectIf, misses nobody
	// if this looks at the right once more: one of the two sees the other.
	Subscribed      func(m *hub.Member, topic string) error
	SubscribedAsync func(m *hub.Member, topic string, done func(error))

	// Publish, if not nil, does what clients ask for with wire.Publish, in place of the
	// endpoint: it may store r.Data, which is compact JSON and stays as it is, publish
	// something else, or nothing. The reply tells the receipt's position, if it has one: a
	// client that did not ask for r.Echo takes the message there for its own, and skips it;
	// so leave m out then, or give no position. An error, best a *wire.Error, is told as
	// forbidden. r is valid until the answer.
	//
	// PublishAsync is called for one publish after the other, in their order, before the
	// ones before are done; replies have the order of the requests. All other requests
	// wait until all before them are answered.
	Publish      func(m *hub.Member, r *wire.Request) (hub.Receipt, error)
	PublishAsync func(m *hub.Member, r *wire.Request, done func(hub.Receipt, error))

	// Delay, if not nil, is asked before all others for how long a request must wait, to
	// limit the rate of a connection or a user. What comes after it waits, too. It must not
	// block.
	Delay func(m *hub.Member, r *wire.Request) time.Duration

	// MaxData bounds hub.Identity.Data of a connection, which presence tells everybody, in
	// bytes; 4 KiB if 0, and never more than hub.Options.MaxPresenceData, which is for all
	// members, of whatever origin, and so wider. Beyond it the handshake is refused with 413.
	MaxData int
	// MaxDataTotal bounds that of all connections together; a 64th of the memory limit if 0,
	// without limit if negative. Beyond it handshakes that have data are refused with 503,
	// or, if many come at once, the connection is closed with 1013. hub.Options.MaxPresence
	// bounds something else: the lists of who is in a topic, where a connection may be in many.
	MaxDataTotal int64
	// MaxRequests bounds the requests of a connection that wait for their replies; 64 if 0.
	// With as many, or 256 KiB of them, the connection is not read until half of them are
	// answered.
	MaxRequests int
	// MaxWaiting bounds the bytes of requests that wait, of all open connections together; a
	// 32nd of the memory limit if 0, without limit if negative. What would not fit gets the
	// error busy, except a connection's first of up to 1 KiB; and so does a connection of
	// which more waits than eight times what is left: so those that hold most go first. With
	// 4 KiB by then it is not read, either, until one of its requests is answered.
	MaxWaiting int64
	// Background has requests done by so many goroutines, instead of the connections'
	// turns, for functions and brokers that may wait: one for a connection at a time, and
	// connections wait for each other in the order in which they asked. 0: in the turns, or
	// 64 if the hub has a broker; negative: always in the turns.
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

// Endpoint is where clients connect. Its methods are safe from any goroutine.
type Endpoint struct {
	hub     *hub.Hub
	opts    Options
	workers workers

	waiting    atomic.Int64 // bytes
	data       atomic.Int64 // bytes, of connections that are open
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
	Waiting int64 // bytes of requests that wait for their replies, now
	Held    int64 // how often a connection was not read because too many of its requests waited
	Busy    int64 // requests that were answered busy
	Data    int64 // bytes of hub.Identity.Data, now
}

// Stats returns the endpoint's counters.
func (e *Endpoint) Stats() Stats {
	return Stats{e.waiting.Load(), e.held.Load(), e.shed.Load(), e.data.Load()}
}

// Options returns the options in force, defaults filled in.
func (e *Endpoint) Options() Options { return e.opts }

// Accept is a Server.Accept: it gives the connection a handler of its own. A client
// that offers subprotocols has to offer this one.
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

// checkData reports why a connection may not have that data.
func (e *Endpoint) checkData(data []byte) error {
	size := len(data)
	switch most := e.opts.MaxDataTotal; {
	case size > e.opts.MaxData:
		return wsproto.Refuse(http.StatusRequestEntityTooLarge, fmt.Sprintf("the data that presence tells has %d bytes; at most %d are allowed", size, e.opts.MaxData))
	case size > 0 && most > 0 && e.data.Load()+int64(size) > most:
		return wsproto.Refuse(http.StatusServiceUnavailable, noRoom)
	}
	if size > 0 {
		if err := wire.CheckJSON(data); err != nil {
			return wsproto.Refuse(http.StatusBadRequest, "the data that presence tells: "+wire.Plain(err))
		}
	}
	return nil
}

// takeData counts the data of a connection that opens, unless there is no room any more.
func (e *Endpoint) takeData(size int64) bool {
	most := e.opts.MaxDataTotal
	if size > 0 && e.data.Add(size) > most && most > 0 {
		e.data.Add(-size)
		return false
	}
	return true
}

// noRoom is why a connection that has data is refused.
const noRoom = "there is no room for more data that presence tells: connect without, or later"

func refusal(err error) error {
	if _, ok := err.(*wsproto.Refusal); ok {
		return err
	}
	return wsproto.Refuse(http.StatusForbidden, wire.Plain(err))
}
