package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// All clients connect at the same moment, and 18,000 of them stay. Then all of them reset their connections at once, while
// messages are on their way to them. It happens twice; each time the server is as it was before.
func TestSimultaneousResets(t *testing.T) {
	n := crowdSize(t, sized(18_000, 2_000))
	p := startPatientAt(t, crowdAddrs, "-topic", "> history=10")
	p.budget = stormBudget
	for round := range 2 {
		begin := time.Now()
		c := storms(t, n, p.addrs()[:4], "/echo", "/topics/reset", "/hub")
		t.Logf("%d clients connected in %v", c.opened, time.Since(begin).Round(time.Millisecond))
		if c.opened != n {
			t.Fatalf("of %d handshakes %d have failed, and %v were refused", n, c.failed, c.refused)
		}
		p.eventually("all are connected", func() bool { return p.health().Connections >= n })
		t.Logf("with %d clients: %v", n, p.vitals())
		p.probes.within(p.budget, fmt.Sprint(n, " connects"))
		if r, body := p.request("POST", "/topics/reset", "text/plain", strings.NewReader(strings.Repeat("x", 10_000))); r.StatusCode != 200 {
			t.Fatal(body)
		}
		begin = time.Now()
		c.reset()
		t.Logf("%d resets took %v", n, time.Since(begin).Round(time.Millisecond))
		p.eventually("all are gone", func() bool { return p.health().Connections <= 2 })
		t.Logf("the server had noticed after %v", time.Since(begin).Round(time.Millisecond))
		p.recovers(fmt.Sprint(n, " resets, round ", round+1), crowdSlack(n))
	}
	if says := p.stderr.String(); strings.Contains(says, "panic") {
		t.Error(says)
	}
}

// crowdSlack is the slack after n connections.
func crowdSlack(n int) slack {
	return slack{fds: 4, goroutines: 20, heapKiB: 2 << 10, rssKiB: 8<<10 + n/2}
}
