package session

import (
	"time"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/idempotency"
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
	// any other error is sent with status 403. If Identify is nil, every client is anonymous. A
	// client may send its token later, in a message: see TokenFollows. r is valid until the answer;
	// for IdentifyAsync the server needs Endpoint.AcceptAsync.
	Identify      func(r *wsproto.Request) (hub.Identity, error)
	IdentifyAsync func(r *wsproto.Request, done func(hub.Identity, error))

	// Authenticate returns the identity for a token that a client has sent in a message. If both
	// functions are nil, the endpoint takes no tokens. The token is any string of 1 to 8,192 bytes.
	//
	// A client that sends its token first, see TokenFollows, has no member yet: old is what
	// Identify has returned, and the result takes its place. Later, when a client renews its
	// token, old has the member's User and Value, and Authenticate returns the same user with a
	// new Value and Expires; the rest is ignored, and another user is refused. The client gets an
	// error with the code unauthorized unless it is a *wire.Error; in place of the hello it closes
	// the connection: with 1013 if it is temporary, 4403 if it is forbidden, 4401 otherwise.
	Authenticate      func(old hub.Identity, token string) (hub.Identity, error)
	AuthenticateAsync func(old hub.Identity, token string, done func(hub.Identity, error))

	// Identified, if not nil, is called when a connection has got its member, before the hello,
	// and again when its client has renewed its token, after Member.Value has changed. Closed is
	// called when the connection has ended, once for each member that Identified was called for,
	// and after it, with the code of wsproto.CloseError. With them a program can keep a list of connections, and end those whose
	// identity expires: see TokenExpired. A program that revokes a token and then ends the
	// connections in its list misses none if Identified checks the token once more.
	Identified func(m *hub.Member, id hub.Identity)
	Closed     func(m *hub.Member, code wsproto.Code)

	// Authorize decides whether a member may do something with a topic or pattern: do is
	// wire.Subscribe, Publish, History or Presence. The client gets its error, with the code
	// forbidden unless it is a *wire.Error. A subscription with presence events needs
	// both Subscribe and Presence.
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

	// Idempotency remembers the receipts of publish requests with an idempotency key, in front of
	// Publish and PublishAsync, which are not called for a request that was made before. A new table with
	// the defaults if nil; a program that publishes in other ways too can use the same table there.
	Idempotency *idempotency.Table

	// Limit, if not nil, is called for each request when it arrives, also for one that is not valid, and for each ping frame as for
	// a request to ping. Calls for one member do not overlap, and must not change the request. If it returns a positive time, the request is refused with the
	// error rate-limited, which tells the client to try again after that time; after a ping frame the connection is closed
	// with 4429. It must not block. It is not called for the token that a client sends first.
	Limit func(m *hub.Member, r *wire.Request) (wait time.Duration)
	// Delay, if not nil, is called after Limit, and returns how long a request must wait,
	// to limit the rate of a connection or a user. Later requests of the connection wait, too.
	// Delay must not block.
	Delay func(m *hub.Member, r *wire.Request) time.Duration

	// AuthTimeout bounds the time until a client that sends its token in its first message has
	// been identified; 10 seconds if 0. Beyond it the connection is closed with 4401, or with 1013
	// if the token has come but Authenticate has not answered.
	AuthTimeout time.Duration
	// MaxUnauthenticated bounds the connections that wait for that; one for each 64 KiB of the
	// memory limit if 0, no limit if negative. Beyond it handshakes are refused with 503, or, if many
	// come at once, the connection is closed with 1013.
	MaxUnauthenticated int
	// Now returns the time, to tell clients how long their identities are valid; time.Now if nil.
	Now func() time.Time

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
	if o.AuthTimeout <= 0 {
		o.AuthTimeout = 10 * time.Second
	}
	if o.MaxUnauthenticated == 0 {
		o.MaxUnauthenticated = int(netpoll.MemoryLimit() / (64 << 10))
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Idempotency == nil {
		o.Idempotency = idempotency.New(idempotency.Options{Now: o.Now})
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

// checkPairs panics if two options exclude each other.
func (o *Options) checkPairs() {
	for name, both := range map[string]bool{
		"Identify": o.Identify != nil && o.IdentifyAsync != nil, "Authenticate": o.Authenticate != nil && o.AuthenticateAsync != nil,
		"Authorize": o.Authorize != nil && o.AuthorizeAsync != nil, "Subscribed": o.Subscribed != nil && o.SubscribedAsync != nil,
		"Publish": o.Publish != nil && o.PublishAsync != nil,
	} {
		if both {
			panic("session: Options has " + name + " and " + name + "Async: one of them can answer")
		}
	}
}
