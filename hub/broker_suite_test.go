package hub_test

import (
	"testing"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/brokertest"
)

func TestMemoryBroker(t *testing.T) { run(t, 0) }

func TestMemoryBrokerWithHistory(t *testing.T) { run(t, 10000) }

func run(t *testing.T, history int) {
	brokertest.Run(t, func(*testing.T) brokertest.Setup {
		b, other := hub.NewMemoryBroker(hub.MemoryBrokerOptions{History: history}), hub.NewMemoryBroker(hub.MemoryBrokerOptions{})
		return brokertest.Setup{
			Node:  func(*testing.T) hub.Broker { return b.Node() },
			Other: func(*testing.T) hub.Broker { return other.Node() },
			Cut: func(_ *testing.T, b hub.Broker) func() {
				n := b.(*hub.MemoryNode)
				n.Cut()
				return n.Restore
			},
			History: history > 0,
		}
	})
}
