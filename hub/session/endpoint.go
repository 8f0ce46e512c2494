package session

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/wire"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// Options configures an [Endpoint]. The zero value lets everybody do everything,
// anonymously. The functions are called from any goroutine, and must not call
// hub.Disconnect, which waits for the request under way.
type Options struct {
	// Identify says who connects. An error refuses the handshake, best a
	// *wsproto.Refusal; any other is told with 403. Everybody is anonymous if nil.
	Identify func(r *wsproto.Request) (hub.Identity, error)
	// Authorize says whether a member may do something with a topic or pattern: do is
	// wire.Subscribe, Publish, History or Presence. Its error is told to the client,
	// as forbidden. Who may subscribe may have presence with it.
	Authorize func(m *hub.Member, do, topic string) error
	// Subscribed, if not nil, is asked when a member has subscribed, before it gets
	// anything: its error ends the subscription, and is told as Authorize's. Whoever takes
	// a right away, and then ends what is subscribed, with hub.DisconnectIf, misses nobody
	// if this looks at the right once more: one of the two sees the other.
	Subscribed func(m *hub.Member, topic string) error
	// Publish, if not nil, does what clients ask for with wire.Publish, in place of the
	// endpoint: it may store r.Data, which is compact JSON and stays as it is, publish
	// something else, or nothing. The reply tells the receipt's position, if it has one: a
	// client that did not ask for r.Echo takes the message there for its own, and skips it; so
	// leave m out then, or give no position. An error, best a *wire.Error, is told as forbidden. r is valid during the call, which
	// may wait, as a Handler's.
	Publish func(m *hub.Member, r *wire.Request) (hub.Receipt, error)
}

// Endpoint is where clients connect. Its methods are safe from any goroutine.
type Endpoint struct {
	hub  *hub.Hub
	opts Options
}

// New returns an endpoint for the topics of h, whose options have to have this
// package's Wrap, WrapPresence and OnDrop.
func New(h *hub.Hub, o Options) *Endpoint { return &Endpoint{h, o} }

// Accept is a Server.Accept: it gives the connection a handler of its own. A client
// that offers subprotocols has to offer this one.
func (e *Endpoint) Accept(r *wsproto.Request) error {
	if offers := r.Subprotocols(); slices.Contains(offers, wire.Protocol) {
		r.Subprotocol = wire.Protocol
	} else if len(offers) > 0 {
		return wsproto.Refuse(http.StatusBadRequest, fmt.Sprintf(
			"the subprotocol here is %s; the client offers only %s", wire.Protocol, strings.Join(offers, ", ")))
	}
	s := &session{end: e, id: new(hub.Identity)}
	if e.opts.Identify != nil {
		id, err := e.opts.Identify(r)
		if err != nil {
			return refusal(err)
		}
		s.id = &id
	}
	if s.id.User != "" {
		if err := hub.CheckUser(s.id.User); err != nil {
			return refusal(err)
		}
	}
	r.Handler = s
	return nil
}

func refusal(err error) error {
	if _, ok := err.(*wsproto.Refusal); ok {
		return err
	}
	return wsproto.Refuse(http.StatusForbidden, wire.Plain(err))
}
