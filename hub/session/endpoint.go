package session

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// Endpoint accepts clients of the protocol. Its methods are safe from any goroutine.
type Endpoint struct {
	hub     *hub.Hub
	opts    Options
	workers workers

	waiting         atomic.Int64 // bytes of requests that wait for their replies
	data            atomic.Int64 // bytes of presence data of open connections
	unauthenticated atomic.Int64
	held, shed      atomic.Int64
	recoveries      recoveryCounters
}

type recoveryCounters struct{ none, resumed, lost, newEpoch atomic.Int64 }

// count counts the outcome of a request to subscribe after a position, or from now on if that is nil.
func (n *recoveryCounters) count(after *hub.Position, err error) {
	var old *hub.TooOldError
	switch {
	case err == nil && after == nil:
		n.none.Add(1)
	case err == nil:
		n.resumed.Add(1)
	case !errors.As(err, &old): // the request has failed for another reason
	case old.Asked.Epoch != old.Latest.Epoch:
		n.newEpoch.Add(1)
	default:
		n.lost.Add(1)
	}
}

// New returns an endpoint for the topics of h. It panics if two options exclude each other.
func New(h *hub.Hub, o Options) *Endpoint {
	o.checkPairs()
	o.setDefaults(h)
	return &Endpoint{hub: h, opts: o, workers: workers{most: o.Background}}
}

// Stats are counters of an [Endpoint].
type Stats struct {
	Waiting int64 `json:"waiting"` // bytes of requests that now wait for their replies
	Held    int64 `json:"held"`    // how often a connection was not read because too many of its requests waited
	Busy    int64 `json:"busy"`    // requests that were answered with the error busy
	Data    int64 `json:"data"`    // bytes of hub.Identity.Data of the connections that are open now

	Unauthenticated int64 `json:"unauthenticated"` // connections that now wait until their client's token has been checked

	Recoveries RecoveryStats `json:"recoveries"`
}

// RecoveryStats count the requests of clients to subscribe, by what they have recovered of the messages that they have missed.
type RecoveryStats struct {
	None     int64 `json:"none"`      // the client has asked for nothing that it has missed: there is no after
	Resumed  int64 `json:"resumed"`   // the client gets all messages after its position
	Lost     int64 `json:"lost"`      // some of these messages are no longer held: the error too-old
	NewEpoch int64 `json:"new_epoch"` // the topic has begun anew since, or the server has: the error too-old
}

// Stats returns the endpoint's counters.
func (e *Endpoint) Stats() Stats {
	n := &e.recoveries
	return Stats{
		Waiting: e.waiting.Load(), Held: e.held.Load(), Busy: e.shed.Load(), Data: e.data.Load(), Unauthenticated: e.unauthenticated.Load(),
		Recoveries: RecoveryStats{None: n.none.Load(), Resumed: n.resumed.Load(), Lost: n.lost.Load(), NewEpoch: n.newEpoch.Load()},
	}
}

// Options returns the options in force, with the defaults filled in.
func (e *Endpoint) Options() Options { return e.opts }

// Accept is a Server.Accept: it gives the connection a handler of its own. A client that offers
// subprotocols must offer the protocol's own, wire.Protocol. With Options.IdentifyAsync it waits for
// the answer, and keeps a worker until then: use AcceptAsync instead.
func (e *Endpoint) Accept(r *wsproto.Request) error {
	answer := make(chan error, 1)
	e.AcceptAsync(r, func(err error) { answer <- err })
	return <-answer
}

// AcceptAsync is Accept for a Server.AcceptAsync. It returns at once if the functions in Options
// do. done is called once, perhaps before it returns. r must be valid until then.
func (e *Endpoint) AcceptAsync(r *wsproto.Request, done func(error)) {
	if err := e.agree(r); err != nil {
		done(err)
		return
	}
	switch o := &e.opts; {
	case o.IdentifyAsync != nil:
		var once sync.Once // r is not valid after the first answer
		o.IdentifyAsync(r, func(id hub.Identity, err error) { once.Do(func() { done(e.accept(r, id, err)) }) })
	case o.Identify != nil:
		id, err := o.Identify(r)
		done(e.accept(r, id, err))
	default:
		done(e.accept(r, hub.Identity{}, nil))
	}
}

// agree agrees on the subprotocol, and refuses a client that wants what the endpoint does not have.
func (e *Endpoint) agree(r *wsproto.Request) error {
	if offers := r.Subprotocols(); slices.Contains(offers, wire.Protocol) {
		r.Subprotocol = wire.Protocol
	} else if len(offers) > 0 {
		return wsproto.Refuse(http.StatusBadRequest, fmt.Sprintf(
			"the subprotocol here is %s; the client offers only %s", wire.Protocol, strings.Join(withoutTokens(offers), ", ")))
	}
	if TokenFollows(r) {
		return e.checkUnauthenticated()
	}
	return nil
}

// withoutTokens hides the tokens among a client's offers, because responses and logs must not contain them.
func withoutTokens(offers []string) []string {
	for i, offer := range offers {
		if strings.HasPrefix(offer, wire.TokenProtocol) {
			offers[i] = wire.TokenProtocol + "..."
		}
	}
	return offers
}

// accept gives the connection its handler, if it may have that identity.
func (e *Endpoint) accept(r *wsproto.Request, id hub.Identity, err error) error {
	if err != nil {
		return refusal(err)
	}
	if refused := e.checkIdentity(&id); refused != nil {
		return refused
	}
	r.Handler = &session{end: e, queue: &queue{opening: &opening{id: id, token: TokenFollows(r)}}}
	return nil
}

// checkIdentity returns nil if a connection may have that identity, or else the refusal.
func (e *Endpoint) checkIdentity(id *hub.Identity) *wsproto.Refusal {
	if id.User != "" {
		if err := hub.CheckUser(id.User); err != nil {
			return refusal(err)
		}
	}
	data, size := id.Data, len(id.Data)
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

func refusal(err error) *wsproto.Refusal {
	if r, ok := err.(*wsproto.Refusal); ok {
		return r
	}
	return wsproto.Refuse(http.StatusForbidden, wire.Plain(err))
}
