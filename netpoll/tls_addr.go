//go:build linux

package netpoll

import (
	"container/list"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// tlsHandshakes are the TLS handshakes of an engine as server, or as client: if an engine
// connects to itself, one side does not take the place of the other. crypto/tls cannot resume a
// handshake after a read that found nothing, so each has a goroutine until it is done, and
// the number of places for them is limited.
//
// Places are shared by address (see OwnerOf). A place that becomes free goes to the
// address that has the fewest places, of some that have waited longest. If none becomes
// free, one is taken away from a client that owes its next flight: from the address
// that has the most places, the handshake whose flight has been due for longest. A byte
// now and then does not change that. So a client that sends a ClientHello and stops keeps its
// place only as long as no other address wants it.
//
// Handshakes count against Options.MaxConns, too: makeRoom says how they give way for that.
type tlsHandshakes struct {
	now     func() time.Time
	evicts  bool        // only as server: as client the engine itself chooses its peers
	bounded atomic.Bool // by MaxConns, so that awaitingHello is used
	places  int         // guarded by mu, like the next two
	mostAll int         // waiting connections
	mostOne int         // waiting connections of one address

	mu            sync.Mutex
	free          int
	addrs         map[netip.Addr]*handshakeAddr
	awaitingHello list.List // of *tlsWaiter whose ClientHello has not come: the oldest first
	order         list.List // of *handshakeAddr with waiting connections: one that gets a place goes to the end
	crowds        crowds    // of the same
	quiet         list.List // of those with silent clients, *handshakeAddr
	waiting       int
	evicting      int         // places that will be free at once
	evicted       []*tlsPlace // to be closed by unlock
	running       map[*tlsPlace]struct{}
	ended         bool
	timer         *time.Timer // for the next look while a connection waits

	done     atomic.Int64
	shed     atomic.Int64
	timedOut atomic.Int64
	broken   atomic.Int64 // those that failed in another way
}

// tlsWaiter is a connection before its TLS handshake, as the places know it.
type tlsWaiter struct {
	client tlsClient
	until  time.Time
	addr   *handshakeAddr // nil before enter
	// Guarded by tlsHandshakes.mu.
	awaitingHello *list.Element // in tlsHandshakes.awaitingHello
	waiting       *list.Element // for a place
	granted       bool          // a place is kept for it
}

// tlsClient is the [Conn] of a tlsWaiter.
type tlsClient interface {
	Owner() netip.Addr
	Close(error)
	Again()
}

// tlsPlace is a handshake that has its place.
type tlsPlace struct {
	client tlsClient
	addr   *handshakeAddr
	// Guarded by tlsHandshakes.mu.
	silent  *list.Element // in handshakeAddr.silent
	since   time.Time
	evicted bool
}

// handshakeAddr is an address with handshakes under way or waiting.
type handshakeAddr struct {
	key      netip.Addr
	held     int           // places, not counting those that are being taken away
	waiting  list.List     // of *tlsWaiter
	silent   list.List     // of *tlsPlace: the longest first
	inOrder  *list.Element // in tlsHandshakes.order, while somebody waits
	inCrowd  *list.Element // in tlsHandshakes.crowds, likewise
	crowd    int           // in the list of which number there
	inQuiet  *list.Element // in tlsHandshakes.quiet, while somebody is silent
	evicting int
}

// crowds lists the addresses with waiting connections by the number of these, so that the
// address with the most is found without looking at all: list n has the addresses with n
// waiting connections, and the last list is not empty.
type crowds []*list.List

// update must be called when the number of waiting connections of c has changed.
func (k *crowds) update(c *handshakeAddr) {
	if c.crowd > 0 {
		(*k)[c.crowd].Remove(c.inCrowd)
	}
	c.crowd, c.inCrowd = c.waiting.Len(), nil
	for len(*k) <= c.crowd {
		*k = append(*k, list.New())
	}
	if c.crowd > 0 {
		c.inCrowd = (*k)[c.crowd].PushBack(c)
	}
	for n := len(*k); n > 0 && (*k)[n-1].Len() == 0; n-- {
		*k = (*k)[:n-1]
	}
}

// largest returns an address with the most waiting connections; nil if none waits.
func (k crowds) largest() *handshakeAddr {
	if len(k) == 0 {
		return nil
	}
	return k[len(k)-1].Front().Value.(*handshakeAddr)
}
