package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Descriptors run out, which the server did not expect: its limit is lowered while it runs. Open connections are served, others
// wait, and it uses no processor for trying again. They are served as soon as descriptors come free, or the limit is raised.
func TestDescriptorsRunOut(t *testing.T) {
	const free, n = 100, 300
	p := startPatient(t)
	c := gather(t, 0, nil)
	old := p.limitFDs(uint64(p.fds() + free))
	c.add(n, []string{p.addr}, "/echo", "/hub", "/topics/x")
	p.eventually("some connect", func() bool { c.poll(10); return c.opened >= free*3/4 })
	p.eventually("the server says that it has no more", func() bool { return strings.Contains(p.stderr.String(), "cannot accept connections") })
	const look = 2 * time.Second
	used, begin := p.processorTime(), time.Now()
	for time.Since(begin) < look {
		c.poll(10)
	}
	used = p.processorTime() - used
	t.Logf("%d of %d are connected; the server used %v in %v", c.opened, n, used, look)
	if c.opened > free+10 || used > look/2 {
		t.Errorf("%d are connected, beyond %d free descriptors, or the server used too much of a processor", c.opened, free)
	}
	p.probes.within(probeBudget, "without descriptors")

	opened := c.opened
	c.hangUp(opened / 2)
	c.until("others take their places", func() bool { return c.opened >= opened+opened/4 })
	p.limitFDs(old)
	c.until("all are answered", func() bool { return c.done == n })
	if c.failed > 0 || len(c.refused) > 0 {
		t.Errorf("%d failed, and %v were refused", c.failed, c.refused)
	}
	c.reset()
	p.eventually("it says that it has descriptors again", func() bool { return strings.Contains(p.stderr.String(), "accepting connections again") })
	if says := strings.Count(p.stderr.String(), "cannot accept connections"); says > 20 {
		t.Errorf("it says %d times that it has no descriptors", says)
	}
	p.recovers("no descriptors", usual)
}

// A server that is started with few descriptors knows how many connections it has room for. It refuses the others, and
// takes others when those have gone. Its own files and its listener for operators have what they need.
func TestFewDescriptors(t *testing.T) {
	const limit, n = 300, 500
	sh := fmt.Sprint("ulimit -n ", limit, `; exec "$0" "$@"`)
	c := startCommand(t, exec.Command("sh", "-c", sh, os.Args[0], "-addr", "127.0.0.1:0", "-admin", "127.0.0.1:0"))
	p := examined(c)
	for range 3 {
		crowd := storms(t, n, []string{p.addr}, "/echo", "/hub", "/topics/x")
		t.Logf("with %d descriptors %d of %d connected at once, %v were refused, %d were closed", limit, crowd.opened, n, crowd.refused, crowd.failed)
		if crowd.opened < limit/2 || crowd.opened > limit {
			t.Errorf("%d connected", crowd.opened)
		}
		leave := p.fills(20)
		if v := p.vitals(); v.fds >= limit {
			t.Errorf("%v", v)
		}
		crowd.reset()
		leave()
		p.admits("/echo")
	}
	p.recovers("few descriptors", usual)
	if says := p.stderr.String(); strings.Contains(says, "cannot accept") {
		t.Error(says)
	}
}

// fills connects clients one by one, until so many have got 503 with Retry-After. leave closes the connections of the few that the
// server had room for.
func (p *patient) fills(refused int) (leave func()) {
	p.t.Helper()
	var admitted []net.Conn
	leave = func() {
		for _, nc := range admitted {
			nc.Close()
		}
	}
	p.t.Cleanup(leave)
	for n := 0; n < refused; {
		nc, err := beginHandshake(p.addr, "/echo")
		if err != nil {
			p.t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReaderSize(nc, 512), nil)
		switch {
		case err == nil && resp.StatusCode == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") != "":
			nc.Close()
			n++
		case err == nil && resp.StatusCode == http.StatusSwitchingProtocols && len(admitted) < 20:
			admitted = append(admitted, nc)
		default:
			nc.Close()
			p.t.Fatalf("%d further clients were admitted; the next one gets %v %v", len(admitted), resp, err)
		}
	}
	return leave
}

// limitFDs sets how many descriptors the process may have, and returns how many it might have before.
func (c *child) limitFDs(n uint64) (before uint64) {
	c.t.Helper()
	var old unix.Rlimit
	pid := c.cmd.Process.Pid
	err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &old)
	if err == nil {
		err = unix.Prlimit(pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: n, Max: old.Max}, nil)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return old.Cur
}

// processorTime returns how long processors have worked for the process.
func (c *child) processorTime() time.Duration {
	c.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.cmd.Process.Pid))
	if err != nil {
		c.t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(after)
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond // USER_HZ is 100 on all of Go's platforms
}
