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

// limits are the flags for limits and deadlines. docs/limits.md lists all limits, including those without a flag.
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
	daemon.SizeVar(f, &l.maxMessage, "max-message", 1<<20, "largest message, in `bytes`; like all sizes, write it as 65536, 64k or 64KiB. A larger message closes the\nconnection with 1009 or, over HTTP, gets 413")
	daemon.SizeVar(f, &l.maxHeader, "max-header", 16<<10, "largest request header, in `bytes`; a larger one gets 431 and is logged")
	daemon.SizeVar(f, &l.maxPending, "max-pending", 4<<20, "`bytes` that may wait for a slow client before it is disconnected with 1013; also how far it may lag\nbehind in a topic whose -topic rule has no limit")
	daemon.SizeVar(f, &l.totalPending, "total-pending", 0, "`bytes` that may wait for all clients together, including their unfinished messages; beyond it the server\ndisconnects the clients that hold most. 0 means an eighth of the memory that the process may use, -1 no limit")
	daemon.SizeVar(f, &l.maxBacklog, "max-backlog", hub.DefaultMaxBacklog, "`bytes` by which a connection to "+hubPath+" may lag behind in all its topics together; beyond it the\npolicy of the topic applies (-topic slow=...)")
	daemon.SizeVar(f, &l.totalLogs, "total-logs", 0, "`bytes` of history and of messages for slow subscribers that all topics together may hold; beyond it the\nlargest topics drop their oldest messages. 0 means an eighth of the memory that the process may use,\n-1 no limit")
	daemon.SizeVar(f, &l.totalBodies, "total-bodies", 0, "`bytes` that the bodies of HTTP requests and responses in progress may hold together; beyond it, the\nlargest transfer of the address that holds most gets 503 or is cut. 0 means 1/32 of the memory that the\nprocess may use, -1 no limit")
	daemon.SizeVar(f, &l.minRate, "min-rate", 1<<10, "minimum rate of a client, in `bytes` a second. -message-timeout and -http-timeout grow by a second for\neach -min-rate bytes, and a client that reads its pending messages more slowly is disconnected. 0 means no\nminimum: each byte restarts the timeouts")
}

func (l *limits) counts(f *flag.FlagSet) {
	f.IntVar(&l.maxConns, "max-conns", 0, "largest `number` of connections, HTTP included; further ones get 503. 0 means what the limit of open files allows")
	f.IntVar(&l.connsPerAddr, "max-conns-per-addr", 0, "largest `number` of connections from an IPv4 address or an IPv6 /64; further ones are closed. 0 means no\nlimit; use it behind a proxy, where all connections have the proxy's address")
	f.IntVar(&l.tlsHandshakes, "max-tls-handshakes", 512, "largest `number` of concurrent TLS handshakes, which use about 30 KB each; further ones wait")
	f.IntVar(&l.maxTopics, "max-topics", hub.DefaultMaxTopics, "largest `number` of topics, patterns included")
	f.IntVar(&l.topicsPerAddr, "max-topics-per-addr", 0, "largest `number` of topics that clients of one address may create without the token; 0 means half of\n-max-topics. In addition, an address may have at most eight times as many topics as are still free")
	f.IntVar(&l.totalSubscriptions, "total-subscriptions", hub.DefaultMaxAllSubscriptions, "largest `number` of subscriptions of all connections together; further ones get the error unavailable")
	f.IntVar(&l.subscriptions, "max-subscriptions", hub.DefaultMaxSubscriptions, "largest `number` of subscriptions of a connection to "+hubPath+"; further ones get the error too-large")
}

func (l *limits) times(f *flag.FlagSet) {
	f.DurationVar(&l.handshakeTimeout, "handshake-timeout", 10*time.Second, "`time` from the start of a connection to the end of the request header; slower clients get 408")
	f.DurationVar(&l.tlsTimeout, "tls-timeout", 10*time.Second, "`time` from the start of a connection to the end of its TLS handshake")
	f.DurationVar(&l.messageTimeout, "message-timeout", 30*time.Second, "`time` from the first byte of a message to its last, plus one second for every -min-rate bytes of it;\nslower clients are closed with 1008. 0 means no limit")
	f.DurationVar(&l.httpTimeout, "http-timeout", 30*time.Second, "`time` for a client to send a request body, and to read a response, plus one second for every -min-rate\nbytes of it; slower clients get 408 or are cut. 0 means no limit")
	f.DurationVar(&l.idleTimeout, "idle-timeout", 2*time.Minute, "`time` for which an HTTP connection stays open for the next request")
	f.DurationVar(&l.ping, "ping", 25*time.Second, "`time` between pings, which keep proxies from closing idle connections. 0 means no pings")
	f.DurationVar(&l.pongTimeout, "pong-timeout", 20*time.Second, "`time` to wait after a ping for data from the client before its connection is closed")
	f.DurationVar(&l.drain, "drain", 10*time.Second, "longest `time` to wait at shutdown for delivery and closing handshakes")
}

// check returns an error that names the first flag with a bad value.
func (l *limits) check() error {
	switch {
	case l.maxMessage < 1:
		return fmt.Errorf("-max-message is %s; it must be at least 1 byte", daemon.FormatSize(l.maxMessage))
	case l.maxHeader < minHeader:
		return fmt.Errorf("-max-header is %s; it must be at least %s", daemon.FormatSize(l.maxHeader), daemon.FormatSize(minHeader))
	case l.maxPending/2-turnBytes < l.maxMessage:
		return fmt.Errorf("-max-pending is %s; with messages of %s (-max-message) it must be at least %s, because an echo could not be sent otherwise",
			daemon.FormatSize(l.maxPending), daemon.FormatSize(l.maxMessage), daemon.FormatSize(2*(min(l.maxMessage, 1<<40)+turnBytes)))
	case l.totalPending > 0 && l.totalPending < l.maxPending:
		return fmt.Errorf("-total-pending is %s; it must be at least -max-pending, %s", daemon.FormatSize(l.totalPending), daemon.FormatSize(l.maxPending))
	case l.totalBodies > 0 && l.totalBodies < 2*batchBodies*l.maxMessage:
		return fmt.Errorf("-total-bodies is %s; it must be at least %s, enough for two batches of %d times -max-message", daemon.FormatSize(l.totalBodies), daemon.FormatSize(2*batchBodies*l.maxMessage), batchBodies)
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
		never bool // 0 turns it off
	}{
		{"handshake-timeout", l.handshakeTimeout, false}, {"tls-timeout", l.tlsTimeout, false}, {"message-timeout", l.messageTimeout, true},
		{"http-timeout", l.httpTimeout, true}, {"idle-timeout", l.idleTimeout, false}, {"ping", l.ping, true}, {"pong-timeout", l.pongTimeout, false}, {"drain", l.drain, true},
	} {
		switch {
		case c.d < 0 && c.never:
			return fmt.Errorf("-%s is %v; it must not be negative", c.name, c.d)
		case c.d <= 0 && !c.never:
			return fmt.Errorf("-%s is %v; it must be above 0, such as 10s or 2m", c.name, c.d)
		}
	}
	return nil
}

const (
	// minHeader is about the size of the smallest handshakes.
	minHeader = 512
	// turnBytes is how much the engine reads from a connection, and so may have to echo, before it checks again that the
	// connection has room for output.
	turnBytes = 128 << 10
)

// bodies returns how many bytes the transfers may hold: always enough for two batches.
func (l *limits) bodies() int64 {
	if l.totalBodies != 0 {
		return int64(l.totalBodies)
	}
	return max(netpoll.MemoryLimit()/32, 2*batchBodies*int64(min(l.maxMessage, 1<<40)))
}

// engine returns the options of the engine, which limit connections.
func (l *limits) engine() netpoll.Options {
	return netpoll.Options{
		MaxPending: l.maxPending, TotalPending: l.totalPending,
		MaxConns: l.maxConns, MaxConnsPerAddr: l.connsPerAddr,
		TLSHandshakes: l.tlsHandshakes, TLSTimeout: l.tlsTimeout,
		MinDrain: orNone(l.minRate),
	}
}

// hub sets the limits of a hub.
func (l *limits) hub(o *hub.Options) {
	o.MaxTopics, o.MaxTopicsPerOwner = l.maxTopics, l.topicsPerAddr
	o.MaxSubscriptions, o.MaxAllSubscriptions = l.subscriptions, l.totalSubscriptions
	o.MaxBacklog, o.MaxMemory = int64(l.maxBacklog), int64(l.totalLogs)
}

// limit sets the limits of a server.
func (l *limits) limit(s *wsproto.Server) {
	s.Engine = l.engine()
	s.MaxMessage, s.MaxHeader, s.MinRate = l.maxMessage, l.maxHeader, orNone(l.minRate)
	s.HandshakeTimeout, s.MessageTimeout = l.handshakeTimeout, orNone(l.messageTimeout)
	s.HTTPTimeout, s.IdleTimeout = orNone(l.httpTimeout), l.idleTimeout
	s.PingInterval, s.PongTimeout = orNone(l.ping), l.pongTimeout
}

// orNone returns the value of an option for the value of a flag: 0 turns the flag off, and a negative value the option,
// whose 0 means its default.
func orNone[T int | time.Duration](v T) T {
	if v == 0 {
		return -1
	}
	return v
}
