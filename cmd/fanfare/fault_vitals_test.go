package main

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"testing"
	"time"
)

// vitals are what a process holds.
type vitals struct {
	fds, goroutines int
	heapKiB, rssKiB int // the heap after a garbage collection
}

func (v vitals) String() string {
	return fmt.Sprintf("%d descriptors, %d goroutines, heap %d KiB, RSS %d KiB", v.fds, v.goroutines, v.heapKiB, v.rssKiB)
}

// slack is how much more a server may hold after a fault than before. Its tables of connections, the pools of its buffers and
// its workers stay, since the next crowd needs them; their size depends on what came once, not on how often.
type slack struct{ fds, goroutines, heapKiB, rssKiB int }

// usual is the slack after a fault with few connections, or few bytes.
var usual = slack{fds: 4, goroutines: 20, heapKiB: 2 << 10, rssKiB: 16 << 10}

// patient is a server that gets a fault, with a listener for operators, in a process of its own.
type patient struct {
	*child
	before vitals
	probes *probes
	budget time.Duration // of the probes
}

// startPatient starts a server and a second one as a control. Clients echo on both, from now to the end of the test.
func startPatient(t *testing.T, args ...string) *patient {
	t.Helper()
	return startPatientAt(t, "127.0.0.1:0", args...)
}

func startPatientAt(t *testing.T, addr string, args ...string) *patient {
	t.Helper()
	return examined(startChildAt(t, addr, append(args, "-admin", "127.0.0.1:0")...))
}

func examined(c *child) *patient {
	c.t.Helper()
	p := &patient{child: c, probes: startProbes(c, startChild(c.t)), budget: probeBudget}
	p.before = p.vitals()
	return p
}

var (
	heapAlloc  = regexp.MustCompile(`# HeapAlloc = (\d+)`)
	goroutines = regexp.MustCompile(`goroutine profile: total (\d+)`)
)

// vitals collects garbage, and returns what the server holds.
func (c *child) vitals() (v vitals) {
	c.t.Helper()
	v.heapKiB = c.profiled("heap?gc=1&debug=1", heapAlloc) / 1024
	v.goroutines = c.profiled("goroutine?debug=1", goroutines)
	v.fds, v.rssKiB = c.fds(), residentKiB(c)
	return v
}

// profiled returns a number of a profile.
func (c *child) profiled(path string, what *regexp.Regexp) int {
	c.t.Helper()
	status, body := c.operator("GET", "/debug/pprof/"+path, "")
	m := what.FindStringSubmatch(body)
	if status != 200 || m == nil {
		c.t.Fatalf("%s: %d %.200s", path, status, body)
	}
	n, _ := strconv.Atoi(m[1])
	return n
}

// recovers fails the test unless the server comes to hold what it held before, but for the slack, and unless the probes have
// been served within their budget. Then it logs the figures. With the race detector RSS is not looked at: its memory never returns.
func (p *patient) recovers(fault string, s slack) {
	p.t.Helper()
	var after vitals
	ok := settles(func() bool {
		after = p.vitals()
		return after.fds <= p.before.fds+s.fds && after.goroutines <= p.before.goroutines+s.goroutines &&
			after.heapKiB <= p.before.heapKiB+s.heapKiB && (raceEnabled || after.rssKiB <= p.before.rssKiB+s.rssKiB)
	})
	if !ok {
		p.t.Errorf("%s: the server holds more than before, and more than %+v: %v, before: %v", fault, s, after, p.before)
	}
	p.t.Logf("%s: before: %v", fault, p.before)
	p.t.Logf("%s: after:  %v", fault, after)
	p.probes.within(p.budget, fault)
}

// full reports whether tests have their full size: see docs/faults.md.
func full() bool { return os.Getenv("FANFARE_FULL") != "" }

// sized returns how many of something a test has: all of them in the full size and in a plain run, fewer with the race
// detector and with -short.
func sized(all, fewer int) int {
	if raceEnabled || testing.Short() {
		return fewer
	}
	return all
}
