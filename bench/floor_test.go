package main

import (
	"encoding/json"
	"errors"
	"flag"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/fanfare-ws/fanfare/bench/servers"
)

// TestFloor runs the whole subcommand with a small load.
func TestFloor(t *testing.T) {
	file := filepath.Join(t.TempDir(), "floor.json")
	var out, log strings.Builder
	args := strings.Fields("floor -n 20 -idle 1200 -rate 50 -size 64 -duration 250ms -rest 100ms -rounds 2 -window 8 -json " + file)
	if status := run(t.Context(), args, &out, &log); status != 0 {
		t.Fatalf("status %d: %s", status, log.String())
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var r floorReport
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	required := 0
	for _, row := range r.Rows {
		for _, side := range []floorSide{row.Other, row.Fanfare} {
			if v := side.Value; row.Figure == perSecond && (v.Min <= 0 || v.Min > v.Median || v.Median > v.Max) {
				t.Errorf("%s: %+v", row.Load, side)
			}
			alone := row.Figure == rested.at(rss) || strings.HasPrefix(row.Load, "compressed")
			if (side.Latency == nil) != alone || (side.Voluntary == nil) != alone {
				t.Errorf("%s: %+v", row.Load, side)
			}
		}
		if (row.Required == nil) != (row.Met == "") {
			t.Errorf("%s: required %+v, %q", row.Load, row.Required, row.Met)
		}
		if row.Required != nil {
			required++
		}
		if !strings.Contains(out.String(), row.Load) {
			t.Errorf("%q is missing in:\n%s", row.Load, out.String())
		}
	}
	const compressed = 3 * 3 * 2
	if want := 8 + compressed + min(1, runtime.NumCPU()-1); required != want || r.Rounds != 2 || r.Loop.Min <= 0 || r.LoopShare <= 0 {
		t.Errorf("%d requirements, want %d; %+v", required, want, r)
	}
	for _, says := range []string{"broadcast to 20, 8 in flight", "broadcast to 20, 1 in flight", "RSS per connection, 1,000 idle", "requirements are met", "compressed echo of text 128 KiB, 9 bits, size", "GOMAXPROCS=2 beside GOMAXPROCS=1"} {
		if !strings.Contains(out.String(), says) && (says[0] != 'G' || runtime.NumCPU() > 1) {
			t.Errorf("%q is missing in:\n%s", says, out.String())
		}
	}
}

func TestRequirement(t *testing.T) {
	for _, c := range []struct {
		required    requirement
		mine, other float64
		want        verdict
		says        string
	}{
		{requirement{Limit: 1}, 4, 4, met, "<= 1 x"},
		{requirement{Limit: 1.3, Aim: 1.2}, 1.25, 1, met, "<= 1.3 x (aim 1.2)"},
		{requirement{Limit: 1.3, Aim: 1.2}, 2.4, 2, aimMet, "<= 1.3 x (aim 1.2)"},
		{requirement{Limit: 1.3, Aim: 1.2}, 1.31, 1, unmet, "<= 1.3 x (aim 1.2)"},
		{requirement{Limit: 0.75, AtLeast: true}, 74, 100, unmet, ">= 0.75 x"},
		{requirement{Limit: 0.75, Aim: 0.9, AtLeast: true}, 90, 100, aimMet, ">= 0.75 x (aim 0.9)"},
		{requirement{Limit: 264, Aim: 256, Absolute: true}, 260, 0, met, "<= 264 B (aim 256 B)"},
		{requirement{Limit: 1}, 4, 0, unknown, "<= 1 x"},
	} {
		if got := c.required.verdict(c.mine, c.other); got != c.want {
			t.Errorf("%+v with %v beside %v: %s, want %s", c.required, c.mine, c.other, got, c.want)
		}
		if got := c.required.text(bytesEach); got != c.says {
			t.Errorf("%q, want %q", got, c.says)
		}
	}
}

// TestFloorVerdict checks that the requirements that are not met are named.
func TestFloorVerdict(t *testing.T) {
	row := func(load string, met verdict) floorRow {
		return floorRow{Load: load, Figure: cpuEach, Required: &requirement{Limit: 1}, Met: met, Other: floorSide{Server: bareName}, Fanfare: floorSide{Server: fanfareName}}
	}
	r := &floorReport{Rows: []floorRow{row("A", met), row("B", aimMet), {Load: "without"}}}
	if got := r.verdict(); got != "All 2 requirements are met." {
		t.Error(got)
	}
	r.Rows = append(r.Rows, row("C", unmet), row("D", unknown))
	got := r.verdict()
	first, rest, _ := strings.Cut(got, "NOT MET:")
	missed, open, _ := strings.Cut(rest, "Unknown")
	if first != "2 of 4 requirements are met.\n" || !strings.Contains(missed, "C: ") || strings.Contains(missed, "D: ") || !strings.Contains(open, "D: ") {
		t.Error(got)
	}
}

func TestParsePerfStat(t *testing.T) {
	for text, want := range map[string]float64{
		"# started on Mon\n\n5900,,syscalls:sys_enter_futex,572056991,100.00,,\n": 5900,
		"<not counted>,,syscalls:sys_enter_futex,0,100.00,,\n":                    0,
	} {
		if got, err := parsePerfStat([]byte(text)); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "# started\n", "<not supported>,,x\n"} {
		if got, err := parsePerfStat([]byte(text)); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func startFloor(t *testing.T) *child {
	t.Helper()
	s, err := built.startServer(t.Context(), servers.FloorBroadcast.Name, servers.BroadcastMode)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	return s
}

func dial(t *testing.T, s *child) net.Conn {
	t.Helper()
	c, _, _, err := ws.Dial(t.Context(), "ws://"+s.addr+"/topics/x")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

// TestFloorBroadcast publishes to other clients, in pieces and many messages at once, while one leaves.
func TestFloorBroadcast(t *testing.T) {
	s := startFloor(t)
	if took, err := loopTime(t.Context(), s.vars); err == nil {
		t.Errorf("a loop took %v before the first", took)
	}
	publisher, a, b := dial(t, s), dial(t, s), dial(t, s)
	frame := func(p string) []byte {
		return ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte(p))))
	}
	expect := func(c net.Conn, want ...string) {
		t.Helper()
		for _, w := range want {
			if got, op, err := wsutil.ReadServerData(c); err != nil || string(got) != w || op != ws.OpText {
				t.Fatalf("%q, %v, %v, want %q", got, op, err, w)
			}
		}
	}
	for _, p := range frame("in pieces") {
		if _, err := publisher.Write([]byte{p}); err != nil {
			t.Fatal(err)
		}
	}
	expect(a, "in pieces")
	expect(b, "in pieces")
	long := strings.Repeat("x", 300)
	if _, err := publisher.Write(slices.Concat(frame("1"), frame(long), frame("3"))); err != nil {
		t.Fatal(err)
	}
	expect(a, "1", long, "3")
	expect(b, "1", long, "3")
	if _, err := a.Write(slices.Concat(frame("the last"), ws.MustCompileFrame(ws.MaskFrame(ws.NewCloseFrame(nil))))); err != nil {
		t.Fatal(err)
	}
	expect(b, "the last")
	expect(publisher, "the last")
	if n, err := a.Read(make([]byte, 1)); err == nil {
		t.Fatalf("%d bytes after the end", n)
	}
	if _, err := b.Write(frame("to the publisher")); err != nil {
		t.Fatal(err)
	}
	expect(publisher, "to the publisher") // and before it nothing of its own
	if took, err := loopTime(t.Context(), s.vars); err != nil || took <= 0 || took > 20e6 {
		t.Errorf("a loop took %v, %v", took, err)
	}
}

// A subscriber that does not read is closed; the loop does not wait for it.
func TestFloorClosesWhoDoesNotRead(t *testing.T) {
	s := startFloor(t)
	publisher, stalled, reader := dial(t, s), dial(t, s), dial(t, s)
	message := make([]byte, 60_000)
	frame := ws.MustCompileFrame(ws.MaskFrame(ws.NewBinaryFrame(message)))
	const messages = 500 // far more than the sockets hold
	for range messages {
		if _, err := publisher.Write(frame); err != nil {
			t.Fatal(err)
		}
		if got, _, err := wsutil.ReadServerData(reader); err != nil || len(got) != len(message) {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
	}
	taken := 0
	for ; ; taken++ {
		if _, _, err := wsutil.ReadServerData(stalled); err != nil {
			break
		}
	}
	if taken == 0 || taken >= messages {
		t.Errorf("who did not read has %d of %d messages", taken, messages)
	}
}

func TestFloorArgs(t *testing.T) {
	for args, says := range map[string]string{
		"now":            `unexpected argument "now"`,
		"-n 0":           "-n is 0",
		"-idle 0":        "-idle is 0",
		"-rate 0":        "-rate is 0",
		"-rate NaN":      "-rate is NaN",
		"-duration -1s":  "-duration is -1s",
		"-rest 0s":       "-rest is 0s",
		"-rounds 0":      "-rounds is 0",
		"-window 1":      "-window is 1",
		"-no-such -n 10": "no-such",
	} {
		var log strings.Builder
		if status := run(t.Context(), strings.Fields("floor "+args), new(strings.Builder), &log); status != 2 || !strings.Contains(log.String(), says) {
			t.Errorf("%s: status %d, %s", args, status, log.String())
		}
	}
	o, err := parseFloorArgs(strings.Fields("-quick -n 300"), new(strings.Builder))
	if err != nil || o.n != 300 || o.rounds != 1 || o.duration >= time.Second {
		t.Errorf("a quick run with a number of subscribers: %+v, %v", o, err)
	}
	var out strings.Builder
	if _, err := parseFloorArgs([]string{"-h"}, &out); !errors.Is(err, flag.ErrHelp) || !strings.Contains(out.String(), "-duration") {
		t.Errorf("%v: %s", err, out.String())
	}
}

// TestLoaded parses reports of fanfare-load.
func TestLoaded(t *testing.T) {
	figuresOf := func(report string) (map[figure]float64, error) {
		l := new(loaded)
		if err := json.Unmarshal([]byte(report), l); err != nil {
			return nil, err
		}
		if err := l.fault(); err != nil {
			return nil, err
		}
		return l.figures(broadcast, 0)
	}
	for report, says := range map[string]string{
		`{"ok":true}`: "no message was received",
		`{"ok":true,"messages":{"received_per_second":1,"latency_microseconds":{"p50":1}}}`:      "could not be measured",
		`{"messages":{"sent":9,"missing":3},"faults":[{"kind":"lost","count":2,"example":"x"}]}`: "3 of 9 messages missing; 2 x lost x",
	} {
		if _, err := figuresOf(report); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", report, err, says)
		}
	}
	f, err := figuresOf(`{"ok":true,"messages":{"received_per_second":5,"server_cpu_microseconds_per_message":2,"server_cpu_cores":1,"latency_microseconds":{"p50":7}}}`)
	if err != nil || f[perSecond] != 5 || f[cpuEach] != 2 || f[p50] != 7 {
		t.Errorf("%v, %v", f, err)
	}
}
