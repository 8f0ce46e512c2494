package wsproto

import (
	"errors"
	"io"
	"sync/atomic"
	"syscall"

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
	// UpgradesRefused counts those of Upgrades.Refused and Upgrades.TimedOut by HTTP status.
	UpgradesRefused map[int]int64 `json:"upgrades_refused"`
	// Closes counts the WebSockets that have ended, by the code of their [CloseError].
	// Codes of libraries, 3000 to 3999, are counted as 3000, and those of applications as 4000, apart from
	// 4400 to 4499, since peers choose them.
	Closes map[Code]int64 `json:"closes"`
	// ClosesByPeer counts those of Closes that the peer has begun with a close frame. All others but
	// those with AbnormalClosure were closed by this server.
	ClosesByPeer map[Code]int64 `json:"closes_by_peer"`
	// Abnormal counts those of Closes that had no close frame (AbnormalClosure), by cause.
	Abnormal AbnormalStats `json:"abnormal"`
	// CloseTimeouts counts those of Closes whose peer has not answered the server's close frame in
	// Server.CloseTimeout.
	CloseTimeouts int64 `json:"close_timeouts"`
	// Pings counts the pings that the server has sent by itself.
	Pings int64 `json:"pings"`
	// Compression counts what permessage-deflate has saved.
	Compression CompressionStats `json:"compression"`
	// Refusals counts the requests that the server has refused, handshakes and others, by
	// HTTP status.
	Refusals map[int]int64 `json:"refusals"`
	// Handshakes is the number of handshakes under way: those that AcceptAsync decides about.
	Handshakes int64 `json:"handshakes"`
	// Limited counts what limits of the server have refused.
	Limited LimitStats `json:"limited"`
}

// AbnormalStats are the WebSockets that have ended without a close frame, by cause.
type AbnormalStats struct {
	Ended       int64 `json:"ended"`        // the peer has ended the connection
	Lost        int64 `json:"lost"`         // the connection was reset or timed out, or another error of the network
	PongTimeout int64 `json:"pong_timeout"` // closed, because no answer to a ping has come in Server.PongTimeout
	Slow        int64 `json:"slow"`         // closed, because the peer has taken too little: netpoll.ErrSlow
	Shed        int64 `json:"shed"`         // closed, because all connections together held too much: netpoll.ErrShed
	Other       int64 `json:"other"`        // cut by this side for any other cause: the end of the server, the program, input that is not TLS
}

// CompressionStats are bytes of payloads before and after permessage-deflate. A [Prepared] message
// counts once for each compressed form, whatever the number of its receivers. A stream does not count.
type CompressionStats struct {
	SentPlain          int64 `json:"sent_plain"` // of the messages that were compressed
	SentCompressed     int64 `json:"sent_compressed"`
	ReceivedCompressed int64 `json:"received_compressed"`
	ReceivedPlain      int64 `json:"received_plain"`
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
	open                               atomic.Int64
	opened, refused, timedOut, aborted atomic.Int64
	pings, closeTimeouts               atomic.Int64

	closes       [closeSlots]atomic.Int64 // by closeSlot
	closesByPeer [closeSlots]atomic.Int64
	abnormal     abnormalCounters
	statuses     [maxStatus]atomic.Int64 // by HTTP status; 0 for all others
	upgrades     [maxStatus]atomic.Int64 // the same, of handshakes that were refused
	limited      limitCounters
}

type abnormalCounters struct{ ended, lost, pongTimeout, slow, shed, other atomic.Int64 }

func (n *abnormalCounters) stats() AbnormalStats {
	return AbnormalStats{
		Ended: n.ended.Load(), Lost: n.lost.Load(), PongTimeout: n.pongTimeout.Load(),
		Slow: n.slow.Load(), Shed: n.shed.Load(), Other: n.other.Load(),
	}
}

// add counts a WebSocket that has ended with err and without a close frame.
func (n *abnormalCounters) add(err error) {
	var errno syscall.Errno
	switch {
	case errors.Is(err, io.EOF):
		n.ended.Add(1)
	case errors.Is(err, ErrPongTimeout):
		n.pongTimeout.Add(1)
	case errors.Is(err, netpoll.ErrSlow):
		n.slow.Add(1)
	case errors.Is(err, netpoll.ErrShed):
		n.shed.Add(1)
	case errors.As(err, &errno):
		n.lost.Add(1)
	default:
		n.other.Add(1)
	}
}

const (
	maxStatus = 600
	// closeSlots are those of 3000, of 4000, of 1000 to 1015, and of 4400 to 4499.
	closeSlots  = firstOwn + ownCodes
	firstOwn    = 2 + int(TLSHandshake-NormalClosure) + 1
	ownCodes    = 100
	ownCodesAre = Code(4400) // from here on
)

// closeSlot returns the index of a code in counters.closes.
func closeSlot(code Code) int {
	switch {
	case code >= ownCodesAre && code < ownCodesAre+ownCodes:
		return firstOwn + int(code-ownCodesAre)
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

func (n *counters) close(ce *CloseError) {
	n.open.Add(-1)
	slot := closeSlot(ce.Code)
	n.closes[slot].Add(1)
	switch {
	case ce.Remote:
		n.closesByPeer[slot].Add(1)
	case slot == closeSlot(AbnormalClosure):
		n.abnormal.add(ce.Err)
	case errors.Is(ce.Err, ErrCloseTimeout):
		n.closeTimeouts.Add(1)
	}
}

// statusSlot returns the index of an HTTP status in counters.statuses.
func statusSlot(status int) int {
	if status < 0 || status >= maxStatus {
		return 0
	}
	return status
}

// refuse counts a request that was refused.
func (n *counters) refuse(status int) { n.statuses[statusSlot(status)].Add(1) }

// refuseUpgrade counts a handshake that was refused, in addition to refuse.
func (n *counters) refuseUpgrade(status int) {
	n.refused.Add(1)
	n.upgrades[statusSlot(status)].Add(1)
}

func byCode(closes []atomic.Int64) map[Code]int64 {
	all := make(map[Code]int64)
	for slot, count := range nonZero(closes) {
		switch {
		case slot >= firstOwn:
			all[ownCodesAre+Code(slot-firstOwn)] = count
		case slot >= 2:
			all[NormalClosure+Code(slot-2)] = count
		default:
			all[3000+1000*Code(slot)] = count
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
