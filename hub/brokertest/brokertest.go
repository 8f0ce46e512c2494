// Package brokertest has the tests that every hub.Broker must pass.
package brokertest

import (
	"context"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/hub"
)

// Setup is a broker under test. Each test gets a new one. Setups may share a server that takes
// long to start: topics of earlier tests do not matter if they have been left.
type Setup struct {
	// Node returns a new node of the broker. The test attaches and closes it.
	Node func(t *testing.T) hub.Broker
	// Cut interrupts the connection of a node to the broker until restore is called. If it is
	// nil, the tests of lost connections are skipped.
	Cut func(t *testing.T, b hub.Broker) (restore func())
	// Other returns a new node of another cluster, which has the server in common with that of Node.
	// If it is nil, the test of two clusters is skipped.
	Other func(t *testing.T) hub.Broker
	// History says that the broker keeps history: at least 2,000 messages and 8 MiB.
	History bool
}

// timeout bounds every call and every wait.
const timeout = 20 * time.Second

// Run runs the tests; those of hub.Peers and hub.Unstorer are skipped if the broker is none. open creates the Setup for one test, and cleans up with t.
func Run(t *testing.T, open func(t *testing.T) Setup) {
	for _, c := range []struct {
		name string
		test func(*testing.T, Setup)
	}{
		{"Order", order},
		{"InFlight", inFlight},
		{"SameID", sameID},
		{"Content", content},
		{"Names", names},
		{"Interest", interest},
		{"Patterns", patterns},
		{"Overlap", overlap},
		{"JoinIsExact", joinIsExact},
		{"Leave", leave},
		{"Large", large},
		{"ManyTopics", manyTopics},
		{"Loss", loss},
		{"LossIsExact", lossIsExact},
		{"History", history},
		{"HistoryOfPattern", historyOfPattern},
		{"NoHistory", noHistory},
		{"FromWithin", fromWithin},
		{"Sync", synced},
		{"Close", closing},
		{"Unstored", unstored},
		{"UnstoredContent", unstoredContent},
		{"UnstoredMixed", unstoredMixed},
		{"UnstoredLoss", unstoredLoss},
		{"PeerState", peerState},
		{"PeerOrder", peerOrder},
		{"PeerCrowd", peerCrowd},
		{"PeerGone", peerGone},
		{"PeerCut", peerCut},
		{"PeerAsk", peerAsk},
		{"PeerAskCut", peerAskCut},
		{"PeerClusters", peerClusters},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

// within returns a context for one call.
func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	t.Cleanup(cancel)
	return ctx
}

// node attaches a new node to a recorder, and returns when it is connected to the broker.
func (s Setup) node(t *testing.T) *recorder {
	t.Helper()
	r := newRecorder(t, s.Node(t))
	r.Attach(r)
	t.Cleanup(func() {
		if !r.closed {
			r.close(t)
		}
	})
	r.await(t, "a connection to the broker", func() bool { return len(r.linkedAt) > 0 })
	return r
}
