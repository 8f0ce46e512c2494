// Package brokertest has the tests that each hub.Broker has to pass.
package brokertest

import (
	"context"
	"testing"
	"time"

	"github.com/fanfare-ws/fanfare/hub"
)

// Setup is a broker under test. It is made anew for each test, and may share what it
// takes long to start: topics of earlier tests do not matter if they are left.
type Setup struct {
	// Node returns a new node of the broker. The test attaches and closes it.
	Node func(t *testing.T) hub.Broker
	// Cut has a node lose its link until restore is called. Without it nothing is
	// tested of that.
	Cut func(t *testing.T, b hub.Broker) (restore func())
	// History says that the broker keeps some: 2,000 messages and 8 MiB at least.
	History bool
}

// patience is how long anything may take.
const patience = 20 * time.Second

// Run runs the tests; open makes what one of them needs, and cleans up with t.
func Run(t *testing.T, open func(t *testing.T) Setup) {
	for _, c := range []struct {
		name string
		test func(*testing.T, Setup)
	}{
		{"Order", order},
		{"InFlight", inFlight},
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
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

// within returns a context for one call.
func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// node attaches a new node to a recorder, and returns when it is linked.
func (s Setup) node(t *testing.T) *recorder {
	t.Helper()
	r := newRecorder(t, s.Node(t))
	r.Attach(r)
	t.Cleanup(func() {
		if !r.closed {
			r.close(t)
		}
	})
	r.await(t, "a link", func() bool { return len(r.links) > 0 })
	return r
}
