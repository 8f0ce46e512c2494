package main

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

func TestUsageErrors(t *testing.T) {
	for _, c := range []struct{ args, says string }{
		{"", "a subcommand is missing"},
		{"dance ws://localhost/", `unknown subcommand "dance"`},
		{"-n 5 idle ws://localhost/", "a subcommand is missing before -n"},
		{"idle", "the URL is missing"},
		{"idle ws://a ws://b", "more than one URL"},
		{"idle localhost:8080", "ws://host:port/path"},
		{"idle http://localhost/", "ws://host:port/path"},
		{"idle https://localhost/", "wss://"},
		{"slow wss://localhost/", "does not support wss://"},
		{"idle ws://", "ws://host:port/path"},
		{"idle ws://localhost:99999/", "port 99999 is not from 1 to 65535"},
		{"idle ws://local%zzhost/", "bad URL"},
		{"idle -bogus ws://localhost/", "unknown flag -bogus"},
		{"idle -pipeline 3 ws://localhost/", "unknown flag -pipeline"},
		{"idle -n ws://localhost/", "-n"},
		{"idle -n 0 ws://localhost/", "-n is 0"},
		{"idle -n -3 ws://localhost/", "-n is -3"},
		{"idle -concurrency 0 ws://localhost/", "-concurrency is 0"},
		{"idle -hold -1s ws://localhost/", "-hold is -1s"},
		{"idle -at 10,5 -n 20 ws://localhost/", "-at is [10 5]; its numbers must increase"},
		{"idle -at 5,20 -n 20 ws://localhost/", "below -n, which is 20"},
		{"idle -at 0 -n 20 ws://localhost/", "must increase"},
		{"idle -at few ws://localhost/", `"few" is not a whole number`},
		{"idle -turn /no/such/place ws://127.0.0.1:1/", "-turn: open /no/such/place"},
		{"idle -timeout 0s ws://localhost/", "-timeout is 0s"},
		{"idle -pid 4194300 ws://localhost/", "process 4194300 does not exist"},
		{"idle -pid -1 ws://localhost/", "-pid is -1"},
		{"idle -pid 99999999 ws://localhost/", "-pid is 99999999; it must be from 0 to 4,194,304"},
		{"idle -hold 5 ws://localhost/", "write 5s for seconds"},
		{"idle -header nonsense ws://localhost/", `"nonsense" is not a header field`},
		{"idle -source here ws://localhost/", `"here" is not an IP address`},
		{"idle -source ::1 ws://127.0.0.1:1/", "one is an IPv4 address, the other an IPv6 address"},
		{"echo -size 0 ws://localhost/", "-size is 0"},
		{"echo -pipeline 0 ws://localhost/", "-pipeline is 0"},
		{"echo -rate -1 ws://localhost/", "-rate is -1"},
		{"echo -rate NaN ws://localhost/", "-rate is NaN"},
		{"echo -count 5 -duration 1s ws://localhost/", "exclude each other"},
		{"echo -duration 0s ws://localhost/", "-duration is 0"},
		{"broadcast -rate 5 -window 5 ws://localhost/", "exclude each other"},
		{"broadcast -rate 0 ws://localhost/", "-rate is 0"},
		{"broadcast -publishers 0 ws://localhost/", "-publishers is 0"},
		{"broadcast -publishers 3 -window 2 ws://localhost/", "-window is 2"},
		{"broadcast -size 31 ws://localhost/", "at least 32 bytes"},
		{"broadcast -size 63 -text ws://localhost/", "at least 64 bytes"},
		{"broadcast -publish-url nowhere ws://localhost/", "-publish-url"},
		{"slow -stalled 100% ws://localhost/", "not a share"},
		{"slow -stalled 0 ws://localhost/", "not a number"},
		{"slow -n 5 -stalled 5 ws://localhost/", "one must read"},
	} {
		t.Run(c.args, func(t *testing.T) {
			checkLeaks(t)
			r := runProgram(t, strings.Fields(c.args)...)
			want(t, "status", r.status, exitUsage)
			want(t, "stdout", r.stdout, "")
			if !strings.Contains(r.stderr, c.says) {
				t.Errorf("it says\n%s, and not %q", r.stderr, c.says)
			}
		})
	}
}

func TestHelp(t *testing.T) {
	for args, says := range map[string]string{
		"-h":           "Subcommands:",
		"help":         "Subcommands:",
		"idle -h":      "-hold",
		"echo -help":   "-pipeline",
		"broadcast -h": "-publishers",
		"slow --help":  "-stalled",
		"churn -h":     "p99.9",
	} {
		r := runProgram(t, strings.Fields(args)...)
		want(t, args+": status", r.status, exitOK)
		want(t, args+": stderr", r.stderr, "")
		if !strings.Contains(r.stdout, says) || !strings.Contains(r.stdout, "Exit status") {
			t.Errorf("%s does not say %q", args, says)
		}
	}
}

func TestFlagsAfterURL(t *testing.T) {
	_, opt, err := parseArgs(strings.Fields("slow ws://localhost/ -n 200 -stalled 2% -q"), new(strings.Builder))
	if err != nil {
		t.Fatal(err)
	}
	want(t, "n", opt.n, 200)
	want(t, "stalled", opt.stalled.of(opt.n), 4)
	want(t, "quiet", opt.quiet, true)
	want(t, "default size", opt.size, 128)
}

func TestUnknownHost(t *testing.T) {
	checkLeaks(t)
	r := runProgram(t, "idle", "-q", "ws://no-such-host.invalid/")
	want(t, "status", r.status, exitFault)
	if !strings.Contains(r.stderr, "no-such-host.invalid") {
		t.Error(r.stderr)
	}
}

func TestCheckFiles(t *testing.T) {
	l := limits{files: 1000}
	if err := l.checkFiles(1000 - ownFiles); err != nil {
		t.Error(err)
	}
	err := l.checkFiles(1000 - ownFiles + 1)
	if err == nil {
		t.Fatal("one too many is allowed")
	}
	for _, s := range []string{"ulimit -n 1001", "limit of this process is 1,000", fmt.Sprintf("at most %d", 1000-ownFiles)} {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("%v; it does not say %q", err, s)
		}
	}
}

func TestPickSources(t *testing.T) {
	l := limits{firstPort: 1001, lastPort: 1100} // 100 ports
	loopback, remote, v6 := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("::1")
	own := []netip.Addr{netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("192.0.2.8")}
	for _, c := range []struct {
		n      int
		to     netip.Addr
		chosen []netip.Addr
		first  string
		last   string
		count  int
		err    string
	}{
		{n: 50, to: loopback, first: "127.0.0.1", last: "127.0.0.1", count: 1},
		{n: 51, to: loopback, first: "127.0.0.1", last: "127.0.0.2", count: 2},
		{n: 500 * 50, to: loopback, first: "127.0.0.1", last: "127.0.1.244", count: 500},
		{n: 100, to: remote},
		{n: 101, to: remote, err: "ip_local_port_range"},
		{n: 101, to: v6, err: "-source"},
		{n: 200, to: remote, chosen: own, first: "192.0.2.7", last: "192.0.2.8", count: 2},
		{n: 201, to: remote, chosen: own, err: "there are only 200"},
		{n: 1, to: v6, chosen: own, err: "IPv6"},
	} {
		got, err := l.pickSources(c.n, c.to, c.chosen)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%d to %v: %v, want %q", c.n, c.to, err, c.err)
			}
			continue
		}
		if err != nil || len(got) != c.count {
			t.Errorf("%d to %v: %v, %v; want %d", c.n, c.to, got, err, c.count)
			continue
		}
		if c.count > 0 {
			want(t, "first", got[0].String(), c.first)
			want(t, "last", got[c.count-1].String(), c.last)
		}
	}
}

// TestLimitsRefuse checks that the run is refused before any connection is opened.
func TestLimitsRefuse(t *testing.T) {
	checkLeaks(t)
	for _, c := range []struct {
		l    limits
		says string
	}{
		{limits{files: 100, firstPort: 1, lastPort: 60000}, "ulimit -n 165"},
		{limits{files: 1000, firstPort: 1, lastPort: 60}, "ip_local_port_range"},
	} {
		var out, errs strings.Builder
		p := &program{stdout: &out, stderr: &errs, limits: func() limits { return c.l }}
		status := p.run(context.Background(), []string{"broadcast", "-n", "100", "ws://192.0.2.1:9/"})
		want(t, "status", status, exitUsage)
		want(t, "stdout", out.String(), "")
		if !strings.Contains(errs.String(), c.says) {
			t.Errorf("it says %q, not %q", errs.String(), c.says)
		}
	}
}

func TestReadLimits(t *testing.T) {
	l := readLimits()
	if l.files < 64 || l.ports() < 1 || l.firstPort < 1 || l.lastPort > 65535 {
		t.Errorf("%+v", l)
	}
}
