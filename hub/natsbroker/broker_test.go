package natsbroker

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/brokertest"
	"github.com/fanfare-ws/fanfare/hub/natsbroker/natstest"
)

// prefixes counts the clusters of all tests, which share a server.
var prefixes atomic.Int64

// cluster is a cluster of nodes.
type cluster struct {
	servers []*natstest.Server
	options Options
	nodes   atomic.Int64
}

// proxied is a node whose way to the server can be cut.
type proxied struct {
	*Broker
	proxy *natstest.Proxy
}

// Close makes proxied a hub.Broker.
func (p *proxied) Close() error {
	defer p.proxy.Close()
	return p.Broker.Close()
}

func newCluster(o Options, servers ...*natstest.Server) *cluster {
	o.Prefix, o.MaxBytes = fmt.Sprint("test", prefixes.Add(1), ".x"), 64<<20
	return &cluster{servers: servers, options: o}
}

// node returns a node that reaches one of the servers.
func (c *cluster) node(t *testing.T) hub.Broker {
	t.Helper()
	p := natstest.NewProxy(t, c.servers[int(c.nodes.Add(1))%len(c.servers)])
	o := c.options
	o.URLs = []string{p.URL}
	o.OnError = func(err error) { t.Log(err) }
	b, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return &proxied{b, p}
}

func cut(_ *testing.T, b hub.Broker) (restore func()) {
	p := b.(*proxied).proxy
	p.Cut()
	return p.Restore
}

func TestBroker(t *testing.T) {
	server := natstest.Start(t, "")
	for _, o := range []Options{{}, {Memory: true}} {
		t.Run(fmt.Sprint("memory ", o.Memory), func(t *testing.T) {
			brokertest.Run(t, func(*testing.T) brokertest.Setup {
				c, other := newCluster(o, server), newCluster(o, server)
				return brokertest.Setup{Node: c.node, Cut: cut, Other: other.node, History: true}
			})
		})
	}
}
