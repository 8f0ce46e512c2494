//go:build linux

package netpoll

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"runtime"
	"time"

	"github.com/fanfare-ws/fanfare/netpoll/internal/memory"
)

// Options configures an [Engine]. The zero value works; each field says its
// default.
type Options struct {
	// Loops is the number of epoll instances; GOMAXPROCS if 0.
	Loops int
	// Workers bounds the goroutines that run handlers, and so the number of
	// handlers that can block at a time; 1,024 if 0. Idle workers end.
	Workers int
	// Background bounds the functions of Engine.Go and GoFor that run at a time; one
	// address gets at most three quarters of them, and less if others have some. As many as
	// Workers if 0. They do not occupy workers. Beyond the bound they wait.
	Background int
	// ReadBuffer is the size in bytes of a worker's read buffer, the most that
	// one OnData sees; 64 KiB if 0, at least 4 KiB.
	ReadBuffer int
	// MaxPending bounds the bytes that wait for the peer of a
	// connection; 4 MiB if 0. A write that would exceed it is refused as a whole.
	MaxPending int
	// TotalPending bounds the memory in bytes that the engine holds for all connections
	// together: pending output (a shared buffer counts once), input that
	// handlers left over, and what protocols Charge. Beyond it the heaviest
	// connections are closed with ErrShed, and counted, until an eighth is free. An
	// eighth of MemoryLimit if 0; no bound if negative.
	TotalPending int
	// NotSentLowat is the socket's TCP_NOTSENT_LOWAT in bytes: how much the
	// kernel keeps unsent before it says that the socket is full; 64 KiB if 0.
	NotSentLowat int
	// UserTimeout is the socket's TCP_USER_TIMEOUT: the kernel gives up a peer that for that
	// long acknowledges nothing of what it was sent, or has no room for more; 60 s if 0.
	UserTimeout time.Duration
	// MinDrain is the rate in bytes per second at which a peer must take pending
	// output, on average over UserTimeout. A slower connection is closed with ErrSlow, and
	// counted. 1,024 if 0; no such bound if negative.
	MinDrain int
	// Sweep is the interval at which deadlines are checked; 1 s if 0, at
	// least 1 ms.
	Sweep time.Duration
	// MaxConns bounds the open connections, including detached ones: further connections
	// are accepted and closed at once, and counted as refused; no bound if 0. Connections that
	// the program dials, adopts or enters count, but are not refused.
	MaxConns int
	// Reserve is the number of connections beyond MaxConns that are opened all the same, so
	// that the protocol can tell their clients that the server is full (see Engine.Full); none if 0.
	Reserve int
	// MaxConnsPerAddr bounds the connections that listeners accept from one address
	// (see OwnerOf), as MaxConns bounds all; no bound if 0, because thousands of
	// people may share an address (NAT), and behind a proxy all do. When an address reaches it, that is logged, at
	// most once in ten seconds. A connection with a preamble counts for the address that its preamble tells.
	MaxConnsPerAddr int
	// ExemptAddr, if not nil, reports whether MaxConnsPerAddr does not apply to a peer: best to trusted proxies, and to
	// IsLocal, unless the operator means the bound for these, too. addr is the zero Addr for
	// a Unix socket. It is called for each connection, from any goroutine, and must not wait.
	ExemptAddr func(addr netip.Addr) bool
	// ProxyOption is what the operator must set so that ExemptAddr exempts a proxy, for the log;
	// "Options.ExemptAddr" if empty.
	ProxyOption string
	// Preamble, if not nil, is for connections of proxies that send the client's address first.
	Preamble *Preamble
	// TLSHandshakes bounds the TLS handshakes under way, each of which has a
	// goroutine and some 30 KB of memory while the peer answers; 512 if 0. With
	// a round trip of 100 ms that is 5,000 a second, more than a
	// few processors can sign for. A connection takes a place when its whole
	// ClientHello is there, and not before, so a silent client keeps
	// no other out. When all places are taken, connections wait for one; addresses (see OwnerOf)
	// take turns. A client that stops after its ClientHello, or trickles, loses its place, with
	// ErrTLSShed, when it has owed its next flight for a second and another address waits, or for
	// a quarter of that if its address has more than twice as many places as that one; at the
	// latest after TLSTimeout.
	TLSHandshakes int
	// TLSWaiting bounds the connections that wait for one of TLSHandshakes; one address may
	// have half of them at most. 16 times TLSHandshakes if 0, no bound if negative. Beyond
	// it the last connection of the address that has the most is closed with ErrTLSShed.
	TLSWaiting int
	// TLSTimeout bounds the time from the connection to the end of its TLS
	// handshake, waiting included; 10 s if 0.
	TLSTimeout time.Duration
	// BlockedAfter is how long a method of a handler, or a task, may take before the log names it, with its connection and
	// its stack, and Stats.Blocked counts it; 1 s if 0, never if negative. The log has one of them in ten seconds at most, and says
	// when that one has returned. See [Describer].
	BlockedAfter time.Duration
	// Now returns the time that deadlines and other limits of connections follow; time.Now if nil. Only
	// differences count, and those of time.Now do not change when the wall clock is set. Another function is for
	// tests; it is called often, from any goroutine. That a deadline has passed is still noticed after Sweep
	// of real time, and Exclusive.Write waits in real time.
	Now func() time.Time
	// Logger gets what an operator must know; slog.Default() if nil.
	Logger *slog.Logger
}

// Limits are the options that can change while an engine runs: see Engine.SetLimits. Each is the field of the same name of
// [Options], with the same default if it is 0.
type Limits struct {
	MaxConns        int
	Reserve         int
	MaxConnsPerAddr int
	TotalPending    int
	MinDrain        int
	TLSHandshakes   int
	TLSWaiting      int
}

// with returns o with these limits.
func (l Limits) with(o Options) Options {
	o.MaxConns, o.Reserve, o.MaxConnsPerAddr = l.MaxConns, l.Reserve, l.MaxConnsPerAddr
	o.TotalPending, o.MinDrain = l.TotalPending, l.MinDrain
	o.TLSHandshakes, o.TLSWaiting = l.TLSHandshakes, l.TLSWaiting
	return o
}

// Preamble is for proxies in front that tell the address of the client in the first bytes of each connection, before TLS, as
// in the PROXY protocol of HAProxy. Every connection of such a peer must have a preamble; it is refused without one. The
// first bytes of other peers are not looked at. The addresses of the preamble take the place of the connection's own in
// all that the engine does.
type Preamble struct {
	// From reports whether the peer at addr sends preambles. addr is the zero Addr for a Unix socket. From must be true
	// for trusted proxies only, since anybody else could pretend to be any client. It is called for each connection
	// on a listener's goroutine, and must not wait.
	From func(addr netip.Addr) bool
	// Parse looks at the first bytes of a connection and returns the length of the preamble that they begin with; 0 if
	// more bytes are needed. The addresses are those of the client and of the server that it has connected to. If the
	// client's is not valid, the connection is the proxy's own, such as a health check, and keeps its addresses. Parse is
	// called on a worker, several times for a preamble that comes in pieces. It must not keep first, and must not wait.
	Parse func(first []byte) (length int, client, server netip.AddrPort, err error)
	// Max bounds the length of a preamble in bytes; if 0, 4 KiB and the 16 bytes that begin one of version 2 of the PROXY
	// protocol. It is at most half of Options.ReadBuffer.
	Max int
}

func (p *Preamble) most(o Options) int {
	return min(cmp.Or(p.Max, 4<<10+16), o.ReadBuffer/2)
}

// Validate returns an error that names the first field whose value is invalid.
func (o Options) Validate() error {
	for _, f := range []struct {
		name  string
		value int64
	}{
		{"Loops", int64(o.Loops)},
		{"Workers", int64(o.Workers)},
		{"Background", int64(o.Background)},
		{"ReadBuffer", int64(o.ReadBuffer)},
		{"MaxPending", int64(o.MaxPending)},
		{"NotSentLowat", int64(o.NotSentLowat)},
		{"UserTimeout", int64(o.UserTimeout)},
		{"Sweep", int64(o.Sweep)},
		{"MaxConns", int64(o.MaxConns)},
		{"Reserve", int64(o.Reserve)},
		{"MaxConnsPerAddr", int64(o.MaxConnsPerAddr)},
		{"TLSHandshakes", int64(o.TLSHandshakes)},
		{"TLSTimeout", int64(o.TLSTimeout)},
	} {
		if f.value < 0 {
			return fmt.Errorf("netpoll: Options.%s is %d; it must not be negative", f.name, f.value)
		}
	}
	if p := o.Preamble; p != nil && (p.From == nil || p.Parse == nil) {
		return errors.New("netpoll: Options.Preamble has no From or no Parse; it needs both")
	}
	if o.ReadBuffer != 0 && o.ReadBuffer < minReadBuffer {
		return fmt.Errorf("netpoll: Options.ReadBuffer is %d bytes; it must be at least %d", o.ReadBuffer, minReadBuffer)
	}
	if o.Sweep != 0 && o.Sweep < time.Millisecond {
		return fmt.Errorf("netpoll: Options.Sweep is %v; it must be at least 1ms", o.Sweep)
	}
	return nil
}

const minReadBuffer = 4 << 10

func (o Options) withDefaults() Options {
	def := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	def(&o.Loops, runtime.GOMAXPROCS(0))
	def(&o.Workers, 1024)
	def(&o.Background, o.Workers)
	def(&o.ReadBuffer, 64<<10)
	def(&o.MaxPending, 4<<20)
	def(&o.TotalPending, int(min(memory.Limit()/8, math.MaxInt)))
	def(&o.NotSentLowat, 64<<10)
	def(&o.TLSHandshakes, 512)
	def(&o.TLSWaiting, 16*o.TLSHandshakes)
	if o.TLSTimeout == 0 {
		o.TLSTimeout = 10 * time.Second
	}
	if o.UserTimeout == 0 {
		o.UserTimeout = time.Minute
	}
	def(&o.MinDrain, 1024)
	if o.ProxyOption == "" {
		o.ProxyOption = "Options.ExemptAddr"
	}
	if o.BlockedAfter == 0 {
		o.BlockedAfter = time.Second
	}
	if o.Sweep == 0 {
		o.Sweep = time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

// MemoryLimit returns the bytes of memory that the process may use: the smallest of
// the machine's memory, the limits of the control group (version 2 or 1) that it is in
// and of those above, and GOMEMLIMIT, or what debug.SetMemoryLimit was given. The first
// two are read once.
func MemoryLimit() int64 { return memory.Limit() }
