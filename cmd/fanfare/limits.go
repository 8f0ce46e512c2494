package main

import (
	"errors"
	"flag"
	"fmt"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/internal/daemon"
	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/netpoll"
	"github.com/fanfare-ws/fanfare/wsproto"
)

// limits are what the flags say of limits and deadlines. docs/limits.md lists all that
// there are, with those that have no flag.
type limits struct {
	maxMessage, maxHeader    int // bytes
	maxPending, totalPending int // bytes
	totalBodies, totalLogs   int // bytes
	maxBacklog               int // bytes
	minRate                  int // bytes a second
	maxConns, connsPerAddr   int
	tlsHandshakes            int
	maxTopics, topicsPerAddr int

	subscriptions, totalSubscriptions int

	handshakeTimeout, tlsTimeout time.Duration
	messageTimeout, httpTimeout  time.Duration
	idleTimeout                  time.Duration
	ping, pongTimeout            time.Duration
	drain                        time.Duration
}

func (l *limits) flags(f *flag.FlagSet) {
	l.sizes(f)
	l.counts(f)
	l.times(f)
}

func (l *limits) sizes(f *flag.FlagSet) {
	daemon.SizeVar(f, &l.maxMessage, "max-message", 1<<20, "largest message, in `bytes`, as for all sizes here: 65536, 64k or 64KiB. A larger one closes the connection\nwith 1009, or gets 413")
	daemon.SizeVar(f, &l.maxHeader, "max-header", 16<<10, "largest header of a request, in `bytes`; a larger one gets 431, and is logged")
	daemon.SizeVar(f, &l.maxPending, "max-pending", 4<<20, "`bytes` that may wait for a slow client before it is disconnected with 1013, and by which\nit may lag behind in a topic whose -topic states no limit")
	daemon.SizeVar(f, &l.totalPending, "total-pending", 0, "`bytes` that may wait for all clients together, with what is held of their input; beyond it the\nheaviest are disconnected. 0 for an eighth of the memory that the process may have, -1 for no limit")
	daemon.SizeVar(f, &l.maxBacklog, "max-backlog", hub.DefaultMaxBacklog, "`bytes` by which a connection to "+hubPath+" may lag behind in all its topics together; beyond it the policy of\nthe topic decides (-topic slow=...)")
	daemon.SizeVar(f, &l.totalLogs, "total-logs", 0, "`bytes` that all topics together may hold, of history and of what waits for slow subscribers; beyond it\nthose with most forget their oldest messages. 0 for an eighth of the memory that the process may\nhave, -1 for no limit")
	daemon.SizeVar(f, &l.totalBodies, "total-bodies", 0, "`bytes` that bodies of requests under way, and answers that are not taken yet, may hold together; beyond\nit the heaviest of the address that has most gets 503, or is cut off. 0 for a 32nd of the memory that\nthe process may have, -1 for no limit")
	daemon.SizeVar(f, &l.minRate, "min-rate", 1<<10, "`bytes` a second that a client must send of a message, or of a body, or take of an answer, when the\ntime for that is over, and take of what waits for it; 0 for no such bound: each byte begins the time anew")
}

func (l *limits) counts(f *flag.FlagSet) {
	f.IntVar(&l.maxConns, "max-conns", 0, "largest `number` of connections, HTTP included: others get 503; 0 for as many as the limit of open files leaves room for")
	f.IntVar(&l.connsPerAddr, "max-conns-per-addr", 0, "largest `number` of connections from an IPv4 address or an IPv6 /64: others are closed; 0 for no limit,\nas behind a proxy, from which all come")
	f.IntVar(&l.tlsHandshakes, "max-tls-handshakes", 512, "largest `number` of TLS handshakes under way, of some 30 KB each; others wait")
	f.IntVar(&l.maxTopics, "max-topics", hub.DefaultMaxTopics, "largest `number` of topics, patterns included")
	f.IntVar(&l.topicsPerAddr, "max-topics-per-addr", 0, "largest `number` of topics that clients of one address may begin without the token; 0 for half of -max-topics.\nNor may they have begun more than eight times as many as can still begin")
	f.IntVar(&l.totalSubscriptions, "total-subscriptions", hub.DefaultMaxAllSubscriptions, "largest `number` of subscriptions of all connections together; more get unavailable")
	f.IntVar(&l.subscriptions, "max-subscriptions", hub.DefaultMaxSubscriptions, "largest `number` of topics that a connection to "+hubPath+" may subscribe to at a time; more get too-large")
}

func (l *limits) times(f *flag.FlagSet) {
	f.DurationVar(&l.handshakeTimeout, "handshake-timeout", 10*time.Second, "`time` for the header of a request, from its connection on; whoever takes longer gets 408")
	f.DurationVar(&l.tlsTimeout, "tls-timeout", 10*time.Second, "`time` for the TLS handshake, from the connection on")
	f.DurationVar(&l.messageTimeout, "message-timeout", 30*time.Second, "`time` for a message from its first byte to its last, beside a second for each -min-rate bytes; slower\nclients are closed with 1008. 0 for no limit")
	f.DurationVar(&l.httpTimeout, "http-timeout", 30*time.Second, "`time` for the body of a request to come, and for an answer to be taken, beside a second for each\n-min-rate bytes; slower clients get 408, or are cut off. 0 for no limit")
	f.DurationVar(&l.idleTimeout, "idle-timeout", 2*time.Minute, "`time` for which an HTTP connection is kept for another request")
	f.DurationVar(&l.ping, "ping", 25*time.Second, "`time` within which each client is pinged, so that proxies see something; 0 for never")
	f.DurationVar(&l.pongTimeout, "pong-timeout", 20*time.Second, "`time` for a sign of life after a ping; then the connection is closed")
	f.DurationVar(&l.drain, "drain", 10*time.Second, "longest `time` to wait for clients to say goodbye at the end")
}

// check reports a flag that has no meaning.
func (l *limits) check() error {
	switch {
	case l.maxMessage < 1:
		return fmt.Errorf("-max-message is %s; it must be at least 1 byte", daemon.FormatSize(l.maxMessage))
	case l.maxHeader < minHeader:
		return fmt.Errorf("-max-header is %s; it must be at least %s", daemon.FormatSize(l.maxHeader), daemon.FormatSize(minHeader))
	case l.maxPending/2-turnBytes < l.maxMessage:
		return fmt.Errorf("-max-pending is %s; for messages of %s (-max-message) it must be at least %s, or an echo could be refused",
			daemon.FormatSize(l.maxPending), daemon.FormatSize(l.maxMessage), daemon.FormatSize(2*(min(l.maxMessage, 1<<40)+turnBytes)))
	case l.totalPending > 0 && l.totalPending < l.maxPending:
		return fmt.Errorf("-total-pending is %s; it must be at least -max-pending, %s", daemon.FormatSize(l.totalPending), daemon.FormatSize(l.maxPending))
	case l.totalBodies > 0 && l.totalBodies < 2*batchBodies*l.maxMessage:
		return fmt.Errorf("-total-bodies is %s; it must be at least %s, for two batches of %d times -max-message", daemon.FormatSize(l.totalBodies), daemon.FormatSize(2*batchBodies*l.maxMessage), batchBodies)
	case l.maxBacklog < 1:
		return fmt.Errorf("-max-backlog is %s; it must be at least 1 byte", daemon.FormatSize(l.maxBacklog))
	case l.minRate < 0:
		return fmt.Errorf("-min-rate is %s; it must not be negative", daemon.FormatSize(l.minRate))
	}
	return errors.Join(l.checkCounts(), l.checkTimes())
}

func (l *limits) checkCounts() error {
	for _, c := range []struct {
		name     string
		n, least int
	}{
		{"max-conns", l.maxConns, 0}, {"max-conns-per-addr", l.connsPerAddr, 0}, {"max-tls-handshakes", l.tlsHandshakes, 1},
		{"max-topics", l.maxTopics, 1}, {"max-topics-per-addr", l.topicsPerAddr, 0}, {"total-subscriptions", l.totalSubscriptions, 1}, {"max-subscriptions", l.subscriptions, 1},
	} {
		if c.n < c.least {
			return fmt.Errorf("-%s is %d; it must be at least %d", c.name, c.n, c.least)
		}
	}
	return nil
}

func (l *limits) checkTimes() error {
	for _, c := range []struct {
		name  string
		d     time.Duration
		never bool // 0 has a meaning
	}{
		{"handshake-timeout", l.handshakeTimeout, false}, {"tls-timeout", l.tlsTimeout, false}, {"message-timeout", l.messageTimeout, true},
		{"http-timeout", l.httpTimeout, true}, {"idle-timeout", l.idleTimeout, false}, {"ping", l.ping, true}, {"pong-timeout", l.pongTimeout, false}, {"drain", l.drain, true},
	} {
		if c.d < 0 || c.d == 0 && !c.never {
			return fmt.Errorf("-%s is %v; it must be a time such as 10s or 2m", c.name, c.d)
		}
	}
	return nil
}

const (
	// minHeader is what the header of a handshake can hardly do without.
	minHeader = 512
	// turnBytes is the most that a connection is read, and so answered, after it was last
	// seen to have room.
	turnBytes = 128 << 10
)

// bodies returns how many bytes of bodies and answers there may be; for two batches there
// is always room.
func (l *limits) bodies() int64 {
	if l.totalBodies != 0 {
		return int64(l.totalBodies)
	}
	return max(netpoll.MemoryLimit()/32, 2*batchBodies*int64(min(l.maxMessage, 1<<40)))
}

// engine returns the limits of connections.
func (l *limits) engine() netpoll.Options {
	return netpoll.Options{
		MaxPending: l.maxPending, TotalPending: l.totalPending,
		MaxConns: l.maxConns, MaxConnsPerAddr: l.connsPerAddr,
		TLSHandshakes: l.tlsHandshakes, TLSTimeout: l.tlsTimeout,
		MinDrain: orNone(l.minRate),
	}
}

// hub gives a hub its limits.
func (l *limits) hub(o *hub.Options) {
	o.MaxTopics, o.MaxTopicsPerOwner = l.maxTopics, l.topicsPerAddr
	o.MaxSubscriptions, o.MaxAllSubscriptions = l.subscriptions, l.totalSubscriptions
	o.MaxBacklog, o.MaxMemory = int64(l.maxBacklog), int64(l.totalLogs)
}

// limit gives the server its limits.
func (l *limits) limit(s *wsproto.Server) {
	s.Engine = l.engine()
	s.MaxMessage, s.MaxHeader, s.MinRate = l.maxMessage, l.maxHeader, orNone(l.minRate)
	s.HandshakeTimeout, s.MessageTimeout = l.handshakeTimeout, orNone(l.messageTimeout)
	s.HTTPTimeout, s.IdleTimeout = orNone(l.httpTimeout), l.idleTimeout
	s.PingInterval, s.PongTimeout = orNone(l.ping), l.pongTimeout
}

// orNone returns a flag's value for an option, of which 0 is the default, and what is
// negative none.
func orNone[T int | time.Duration](v T) T {
	if v == 0 {
		return -1
	}
	return v
}
