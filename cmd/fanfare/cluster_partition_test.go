package main

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	fan "github.com/fanfare-ws/fanfare/hub/client"
	"github.com/fanfare-ws/fanfare/hub/natsbroker/natstest"
	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
)

// The network between a node and NATS loses everything, and says nothing. The node notices, and so do the others; its clients stay,
// and get what they have missed when the network is back.
func TestClusterPartition(t *testing.T) {
	link, server := netpolltest.NewLink(t), natstest.Start(t, "")
	var l net.Listener
	var err error
	link.Do(func() { l, err = net.Listen("tcp", link.Far+":0") })
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"-admin", "127.0.0.1:0", "-topic", "> history=1000 age=10m", "-nats"}
	here := start(t, append(args, server.URL)...).linked()
	there := start(t, append(args, natstest.NewProxyOn(t, server, l).URL)...).linked()
	others := func(n int) func() bool {
		return func() bool {
			_, body := here.operator("GET", "/nodes", "")
			return strings.Count(body, `"started"`) == n
		}
	}
	here.eventually("there are two nodes", others(2))
	var h heard
	if _, err := there.connect(there.addr, fan.Options{Engine: engine(t)}).Subscribe(there.long(), "work", &fan.SubscribeOptions{OnGap: h.gap}, h.message); err != nil {
		t.Fatal(err)
	}
	var want []string
	publish := func(p *program) {
		for range 20 {
			want = append(want, fmt.Sprint("message ", len(want)))
			p.posted("work", want[len(want)-1])
		}
	}
	publish(here)
	there.eventually("the client has the first messages", func() bool { return h.has(want) })

	link.Cut()
	publish(here)
	there.eventually("the node is not ready", func() bool { return there.readyIs(http.StatusServiceUnavailable, "unlinked") })
	if resp, body := there.publishes("work", "not published"); resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	here.eventually("the other node counts as gone", others(1))

	link.Mend()
	there.linked()
	publish(there)
	there.eventually("the client has all messages", func() bool { return h.has(want) })
	here.eventually("there are two nodes again", others(2))
}
