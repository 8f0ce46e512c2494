package main

import (
	"encoding/json"
	"errors"
	"flag"
	"net"
	"os"
	"path/filepath"
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
	args := strings.Fields("floor -n 20 -rate 50 -size 64 -duration 200ms -rounds 2 -window 8 -json " + file)
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
	for name, s := range map[string]spread{
		"floor latency": r.FloorLatency, "Fanfare latency": r.FanfareLatency, "loop": r.Loop, "saturated": r.Saturated.PerSecond, "single": r.Single.PerSecond,
	} {
		if s.Min <= 0 || s.Min > s.Median || s.Median > s.Max {
			t.Errorf("%s: %+v", name, s)
		}
	}
	if r.Subscribers != 20 || r.Size != 64 || r.Rounds != 2 || r.LoopShare <= 0 || r.WindowRatio <= 0 {
		t.Errorf("%+v", r)
	}
	for _, says := range []string{"CPU per delivery: floor ", "median latency: floor ", "with 8 messages in flight", "20 subscribers, 50 messages of 64 bytes"} {
		if !strings.Contains(out.String(), says) {
			t.Errorf("%q is missing in:\n%s", says, out.String())
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
	if _, err := a.Write(ws.MustCompileFrame(ws.MaskFrame(ws.NewCloseFrame(nil)))); err != nil {
		t.Fatal(err)
	}
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
		"-rate 0":        "-rate is 0",
		"-rate NaN":      "-rate is NaN",
		"-duration -1s":  "-duration is -1s",
		"-rounds 0":      "-rounds is 0",
		"-window 1":      "-window is 1",
		"-no-such -n 10": "no-such",
	} {
		var log strings.Builder
		if status := run(t.Context(), strings.Fields("floor "+args), new(strings.Builder), &log); status != 2 || !strings.Contains(log.String(), says) {
			t.Errorf("%s: status %d, %s", args, status, log.String())
		}
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
