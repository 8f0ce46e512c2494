package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const (
	probeInterval = 5 * time.Millisecond
	// probeBudget is how long other clients may wait for an echo, 99 times of 100, while a server has a fault, beyond four times
	// what they wait on another server on the same machine at the same time. That one shows how busy the machine is.
	probeBudget = 250 * time.Millisecond
	// stormBudget takes the place of probeBudget while thousands connect at once, or reset their connections. What they cause is
	// served in the order in which it arrives, like every message, and 18,000 handshakes cost a processor most of a second.
	stormBudget = time.Second
	// A machine on which other processes use more than othersShare of the processors is busy. There the budgets are busyTimes as
	// long: a server that has work to do waits for a processor longer than one that has none.
	othersShare = 0.25
	busyTimes   = 10
)

// probe is a client that echoes all the time.
type probe struct {
	nc   net.Conn
	mu   sync.Mutex
	took []time.Duration
	err  error
	done chan struct{}
}

func startProbe(t *testing.T, addr string) *probe {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	in, err := upgrade(nc, addr, "/echo")
	if err != nil {
		t.Fatal(err)
	}
	b := &probe{nc: nc, done: make(chan struct{})}
	go b.run(in)
	return b
}

// run echoes until the connection is closed. The time of an echo begins when it was due, so that a delay counts for all echoes
// that it keeps from being sent.
func (b *probe) run(in *bufio.Reader) {
	defer close(b.done)
	for due := time.Now(); ; due = due.Add(probeInterval) {
		time.Sleep(time.Until(due))
		_, err := io.WriteString(b.nc, "\x81\x85\x00\x00\x00\x00probe")
		if err == nil {
			err = echoed(in)
		}
		b.mu.Lock()
		b.took = append(b.took, time.Since(due))
		b.err = err
		b.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// echoed reads the echo. The server may ping before: what the probe sends is sign of life enough.
func echoed(in *bufio.Reader) error {
	for {
		first, payload, err := readFrame(in)
		switch {
		case err != nil:
			return err
		case first == 0x81 && string(payload) == "probe":
			return nil
		case first != 0x89:
			return fmt.Errorf("the echo is a frame %#x with %q", first, payload)
		}
	}
}

// latency is what a probe has measured.
type latency struct {
	n                int
	median, p99, max time.Duration
}

func (l latency) String() string {
	round := func(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }
	return fmt.Sprintf("%d echoes, median %v, p99 %v, longest %v", l.n, round(l.median), round(l.p99), round(l.max))
}

// latency returns the figures since the last call.
func (b *probe) latency() (latency, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.took
	b.took = nil
	if len(all) == 0 {
		return latency{}, b.err
	}
	slices.Sort(all)
	return latency{len(all), all[len(all)/2], all[len(all)*99/100], all[len(all)-1]}, b.err
}

// probes are a client of the server that has a fault, and one of another server, which has none.
type probes struct {
	t                *testing.T
	patient, control *probe
	children         []*child
	last             processors
}

func startProbes(c, control *child) *probes {
	c.t.Helper()
	p := &probes{t: c.t, patient: startProbe(c.t, c.addr), control: startProbe(c.t, control.addr), children: []*child{c, control}}
	p.last = p.processors()
	c.t.Cleanup(func() {
		for _, b := range []*probe{p.patient, p.control} {
			b.nc.Close()
			<-b.done
		}
	})
	return p
}

// processors is the time for which the processors of the machine have worked for all, and for this test and its servers.
type processors struct{ all, busy, own time.Duration }

func (p *probes) processors() (now processors) {
	p.t.Helper()
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		p.t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	for i, field := range strings.Fields(line)[1:9] {
		n, _ := strconv.Atoi(field)
		d := time.Duration(n) * 10 * time.Millisecond
		if now.all += d; i != 3 && i != 4 { // idle, and waiting for a disk
			now.busy += d
		}
	}
	var u unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &u)
	now.own = time.Duration(u.Utime.Nano() + u.Stime.Nano())
	for _, c := range p.children {
		now.own += c.processorTime()
	}
	return now
}

// others returns which share of the processors other processes have used since the last call.
func (p *probes) others() float64 {
	p.t.Helper()
	now, last := p.processors(), p.last
	p.last = now
	busy := (now.busy - last.busy) - (now.own - last.own)
	return max(0, float64(busy)/float64(max(now.all-last.all, 1)))
}

// within fails the test if echoes failed, or took longer than the budget, since the last call.
func (p *probes) within(budget time.Duration, fault string) {
	p.t.Helper()
	control, err := p.control.latency()
	if err != nil {
		p.t.Fatalf("the control failed: %v", err)
	}
	got, err := p.patient.latency()
	if err != nil {
		p.t.Errorf("%s: others are not served: %v", fault, err)
	}
	share := p.others()
	p.t.Logf("%s: others had %v; on another server %v; other processes used %.0f %% of the processors", fault, got, control, share*100)
	if share > othersShare {
		budget *= busyTimes
	}
	if raceEnabled { // the detector makes the server several times slower
		budget *= 2
	}
	if got.n == 0 || got.p99 > budget+4*control.p99 {
		p.t.Errorf("%s: others had no echo, or waited longer than %v + 4·%v", fault, budget, control.p99)
	}
}
