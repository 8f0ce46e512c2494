package wsproto

import (
	"sync/atomic"

	"github.com/fanfare-ws/fanfare/netpoll"
)

// Stats are the counters of a [Server]: those of the protocol, and those of its engine,
// which counts messages and bytes in both directions. Counters named in the past tense
// only grow.
type Stats struct {
	netpoll.Stats

	// WebSockets is the number of WebSocket connections that are open; Stats.Open counts
	// all connections in the engine.
	WebSockets int64 `json:"websockets"`
	// Upgrades counts the handshakes of WebSockets by outcome.
	Upgrades UpgradeStats `json:"upgrades"`
	// Closes counts the WebSockets that have ended, by the code of their [CloseError].
	// Codes of libraries, 3000 to 3999, are counted as 3000, those of applications, 4000
	// to 4999, as 4000: peers choose them.
	Closes map[Code]int64 `json:"closes"`
	// Refusals counts the requests that the server has refused, handshakes and others, by
	// HTTP status.
	Refusals map[int]int64 `json:"refusals"`
	// Handshakes is the number of handshakes under way: those that AcceptAsync decides about.
	Handshakes int64 `json:"handshakes"`
	// Limited counts what limits of the server have refused.
	Limited LimitStats `json:"limited"`
	// TLSHandshakesDone counts the TLS handshakes of clients that have succeeded.
	TLSHandshakesDone int64 `json:"tls_handshakes_done"`
}

// LimitStats count the handshakes that the limits of a [Server] have refused, and the connections
// that they have closed.
type LimitStats struct {
	Full          int64 `json:"full"`           // by Engine.MaxConns
	Handshakes    int64 `json:"handshakes"`     // by MaxHandshakes
	HandshakeRate int64 `json:"handshake_rate"` // by HandshakeRate
	PerClient     int64 `json:"per_client"`     // by MaxConnsPerClient
	Closing       int64 `json:"closing"`        // because the server shuts down
	Messages      int64 `json:"messages"`       // connections closed by Rate
}

type limitCounters struct{ full, handshakes, handshakeRate, perClient, closing, messages atomic.Int64 }

func (n *limitCounters) stats() LimitStats {
	return LimitStats{
		Full: n.full.Load(), Handshakes: n.handshakes.Load(), HandshakeRate: n.handshakeRate.Load(),
		PerClient: n.perClient.Load(), Closing: n.closing.Load(), Messages: n.messages.Load(),
	}
}

// UpgradeStats are the handshakes of a [Server] so far, by outcome.
type UpgradeStats struct {
	Opened   int64 `json:"opened"`
	Refused  int64 `json:"refused"`
	TimedOut int64 `json:"timed_out"`
	// Aborted counts the connections that ended, by either side, before they had sent a
	// complete header.
	Aborted int64 `json:"aborted"`
}

// counters are those of a Server. A handshake or a close adds to two of them; messages
// are counted by the engine, in each loop.
type counters struct {
	open                                    atomic.Int64
	opened, refused, timedOut, aborted, tls atomic.Int64

	closes   [closeSlots]atomic.Int64 // by closeSlot
	statuses [maxStatus]atomic.Int64  // by HTTP status; 0 for all others
	limited  limitCounters
}

const (
	maxStatus  = 600
	closeSlots = 2 + int(TLSHandshake-NormalClosure) + 1
)

// closeSlot returns the index of a code in counters.closes.
func closeSlot(code Code) int {
	switch {
	case code >= 4000:
		return 1
	case code >= 3000:
		return 0
	case code < NormalClosure || code > TLSHandshake:
		code = AbnormalClosure
	}
	return 2 + int(code-NormalClosure)
}

func (n *counters) add() {
	n.open.Add(1)
	n.opened.Add(1)
}

func (n *counters) close(code Code) {
	n.open.Add(-1)
	n.closes[closeSlot(code)].Add(1)
}

func (n *counters) refuse(status int) {
	if status < 0 || status >= maxStatus {
		status = 0
	}
	n.statuses[status].Add(1)
}

func (n *counters) byCode() map[Code]int64 {
	all := make(map[Code]int64)
	for slot, count := range nonZero(n.closes[:]) {
		switch slot {
		case 0, 1:
			all[3000+1000*Code(slot)] = count
		default:
			all[NormalClosure+Code(slot-2)] = count
		}
	}
	return all
}

// nonZero returns the counters that are not 0, by index.
func nonZero(all []atomic.Int64) map[int]int64 {
	m := make(map[int]int64)
	for i := range all {
		if n := all[i].Load(); n != 0 {
			m[i] = n
		}
	}
	return m
}
