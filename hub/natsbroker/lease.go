package natsbroker

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// lease is a node's record in the stream, which says that it lives. Its subject has the node's number.
type lease struct {
	Length int64  `json:"ms"`    // how long it lasts, in milliseconds
	State  uint64 `json:"state"` // the number of the latest change of the node's state that has been announced
	Bye    bool   `json:"bye"`   // the node has ended
}

// maxLease bounds the leases of others.
const maxLease = time.Hour

// renewals is how many renewals a lease lasts.
const renewals = 3

// parseLease reads a record, and the node's number from the last token of its subject.
func parseLease(subject string, data []byte) (node uint64, l lease, err error) {
	if node, err = nodeOf(subject); err != nil {
		return 0, l, err
	}
	if err := json.Unmarshal(data, &l); err != nil {
		return 0, l, fmt.Errorf("natsbroker: the record of a node: %w", err)
	}
	if l.Length < 1 || l.Length > int64(maxLease/time.Millisecond) {
		return 0, l, fmt.Errorf("natsbroker: the record of a node has a lease of %d ms, which must be 1 to %d", l.Length, int64(maxLease/time.Millisecond))
	}
	return node, l, nil
}

// nodeName returns a node's number as a token of a subject.
func nodeName(node uint64) string { return strconv.FormatUint(node, 16) }

// nodeOf returns the node's number that a subject ends with.
func nodeOf(subject string) (uint64, error) {
	name := subject[strings.LastIndexByte(subject, '.')+1:]
	node, err := strconv.ParseUint(name, 16, 64)
	if err != nil || nodeName(node) != name {
		return 0, fmt.Errorf("%w: its subject has no node's number", errNote)
	}
	return node, nil
}

// writeLease stores the record of this node. A record that is not stored is followed by another one
// soon, so no answer is waited for. The last record lasts longest, so that it hides the ones before.
func (b *Broker) writeLease(s *session, bye bool) {
	l := lease{Length: b.opts.Lease.Milliseconds(), State: b.state.sent, Bye: bye}
	data, err := json.Marshal(l)
	if err != nil {
		b.report(err)
		return
	}
	seconds := int((b.opts.Lease + time.Second - 1) / time.Second)
	if bye {
		seconds++
	}
	_ = s.nc.PublishMsg(&nats.Msg{ // if it fails, the session ends
		Subject: b.subjects.inNode + nodeName(b.peers.self), Data: data,
		Header: nats.Header{headerTTL: {strconv.Itoa(seconds)}},
	})
}

// readLease takes a copy of a node's record.
func (b *Broker) readLease(m *nats.Msg, at *stored) {
	node, l, err := parseLease(m.Subject, m.Data)
	if err == nil {
		err = b.peers.renewed(node, &l, at.seq, time.Now())
	}
	if err != nil {
		b.report(err)
	}
}

// findPeers reads the records of the nodes that live. Everything stored after at comes as a copy. If
// it fails, the nodes are found when they renew their leases.
func (b *Broker) findPeers(ctx context.Context, s *session, at uint64) {
	if b.peerNode == nil {
		return
	}
	err := b.eachLast(ctx, s, []string{b.subjects.inNode + "*"}, 0, at, func(found *stored, m *nats.Msg) {
		if !strings.HasPrefix(found.subject, b.subjects.inNode) {
			return // of the epoch
		}
		node, l, err := parseLease(found.subject, m.Data)
		if err == nil && node != b.peers.self {
			err = b.peers.renewed(node, &l, found.seq, time.Now())
		}
		if err != nil {
			b.report(err)
		}
	})
	if err == nil {
		b.peers.allFound()
		return
	}
	time.AfterFunc(b.opts.Lease/3, b.peers.allFound) // until then questions wait
	if s.nc.IsConnected() {                          // otherwise the end of the session is reported
		b.report(fmt.Errorf("natsbroker: looking for other nodes: %w", err))
	}
}
