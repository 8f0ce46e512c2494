package cluster

import (
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/natsbroker"
	"github.com/fanfare-ws/fanfare/netpoll/histogram"
	"github.com/fanfare-ws/fanfare/netpoll/paced"
)

// Tolerance is how long a node that has lost its connection still counts as ready. Its clients stay connected, and NATS is
// mostly back by then, at another server.
const Tolerance = 5 * time.Second

const (
	repeat = time.Minute // how often the log says that NATS is still away
	kinds  = 100         // reasons of which it is known that they were told
)

// Link is a [natsbroker.Broker] whose state is known. Its errors may be shown to clients: see publish.go.
type Link struct {
	*natsbroker.Broker
	log     *slog.Logger
	servers string // for the log
	now     func() time.Time

	roundTrip   histogram.Histogram // of published messages
	uncertain   atomic.Int64        // messages without an answer
	refused     atomic.Int64        // messages that were certainly not published
	unpublished paced.Log           // both
	strange     paced.Log           // what the broker reports while it works

	mu     sync.Mutex
	up     bool
	ever   bool // it has been up
	since  time.Time
	said   map[string]time.Time // what the log has said about why it is down, without digits, and when
	silent bool                 // the log has not been told of the present loss
	lost   paced.Log
	links  int64
	losses map[string]int64 // by cause: see natsbroker.LossCause
	epoch  uint64
	epochs int64 // changes
}

// What a hub may look for in its broker.
var (
	_ hub.Syncer   = (*Link)(nil)
	_ hub.Peers    = (*Link)(nil)
	_ hub.Unstorer = (*Link)(nil)
)

// New returns a link, which connects when it is attached to a hub.
func New(o natsbroker.Options, log *slog.Logger) (*Link, error) {
	l := &Link{log: log, now: time.Now, servers: serversOf(o.URLs), losses: make(map[string]int64)}
	for _, cause := range natsbroker.LossCauses {
		l.losses[cause] = 0
	}
	l.since = l.now()
	o.OnError = l.report
	var err error
	l.Broker, err = natsbroker.New(o)
	return l, err
}

// serversOf returns the servers without what is secret in their URLs.
func serversOf(urls []string) string {
	var all []string
	for _, s := range urls {
		if scheme, rest, ok := strings.Cut(s, "://"); ok {
			s = scheme + "://" + rest[strings.LastIndexByte(rest, '@')+1:]
		}
		all = append(all, s)
	}
	return strings.Join(all, ",")
}

// Use has a hub with these options use the link.
func (l *Link) Use(o *hub.Options, timeout time.Duration) {
	o.Broker, o.BrokerTimeout, o.OnLink = l, timeout, l.onLink
}

// onLink is hub.Options.OnLink.
func (l *Link) onLink(cause error) {
	at := l.Broker.Stats().Epoch // the broker's lock does not come after the link's
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	switch {
	case cause == nil && !l.up:
		l.linkedLocked(now)
	case cause != nil:
		l.losses[natsbroker.LossCause(cause)]++
		if l.up {
			l.up, l.since = false, now
			l.said = nil
			l.silent = !l.lost.Warn(l.log, "the link to NATS is lost; clients stay connected, and publishing fails until it is back", "cause", plain(cause))
		}
	}
	if cause == nil && at != l.epoch {
		if l.epoch != 0 {
			l.epochs++
			l.log.Warn("the stream in NATS has begun anew: positions of clients from before are not valid any more", "epoch", at)
		}
		l.epoch = at
	}
}

func (l *Link) linkedLocked(now time.Time) {
	away := now.Sub(l.since).Round(time.Millisecond)
	switch {
	case !l.ever:
		l.log.Info("linked to NATS: the server is a node of the cluster", "servers", l.servers)
	case !l.silent || len(l.said) > 0:
		l.log.Info("the link to NATS is back", "after", away)
	}
	l.up, l.ever, l.since, l.silent = true, true, now, false
	l.links++
}

// report is natsbroker.Options.OnError. What keeps the node from linking is told once, and again after a minute.
func (l *Link) report(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now, text := l.now(), plain(err)
	if l.up {
		l.strange.Warn(l.log, "NATS has reported an error", "error", text)
		return
	}
	kind := strings.Map(func(r rune) rune {
		if '0' <= r && r <= '9' { // such as a port, which is another one each time
			return -1
		}
		return r
	}, text)
	if at, is := l.said[kind]; is && now.Sub(at) < repeat {
		return
	}
	if l.said == nil || len(l.said) >= kinds {
		l.said = make(map[string]time.Time)
	}
	l.said[kind] = now
	l.log.Warn("there is no link to NATS; the server tries again, and is not ready", "error", text, "servers", l.servers)
}

// plain returns the text of an error without what all of them begin with.
func plain(err error) string {
	s := err.Error()
	for _, prefix := range []string{"natsbroker: ", hub.ErrLinkDown.Error() + ": ", "there is no connection to NATS: "} {
		s = strings.TrimPrefix(s, prefix)
	}
	return s
}

// Ready reports whether the node may take new clients: whether it is linked, or has been until a moment ago.
func (l *Link) Ready() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.up || l.ever && l.now().Sub(l.since) < Tolerance
}

// Up reports whether the node is linked.
func (l *Link) Up() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.up
}
