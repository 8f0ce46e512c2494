package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// The test's program is the server, too.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == serveArg {
		main()
	}
	os.Exit(m.Run())
}

// TestRun is the whole program, with few of everything.
func TestRun(t *testing.T) {
	file := filepath.Join(t.TempDir(), "floor.json")
	var out, log strings.Builder
	args := strings.Fields("-n 20 -rate 50 -size 64 -duration 200ms -rounds 2 -window 8 -json " + file)
	if status := run(t.Context(), args, &out, &log); status != 0 {
		t.Fatalf("status %d: %s", status, log.String())
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var r report
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
	for _, says := range []string{"CPU per delivery: floor ", "median latency: floor ", "with 8 messages under way", "20 subscribers, 50 messages of 64 bytes"} {
		if !strings.Contains(out.String(), says) {
			t.Errorf("%q is missing in:\n%s", says, out.String())
		}
	}
}

func startFloor(t *testing.T) *child {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s, err := start(t.Context(), self, serveArg, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.end)
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

// TestServer has one publish to others, in pieces and many at once; one leaves.
func TestServer(t *testing.T) {
	s := startFloor(t)
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
	pid := s.cmd.Process.Pid
	lines := s.stop() // the last may be missing: it is written after the message
	if loop, err := medianLoop(lines); len(lines) < 4 || len(lines) > 5 || err != nil || loop <= 0 {
		t.Errorf("%q: %v, %v", lines, loop, err)
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d is still there: %v", pid, err)
	}
}

// A subscriber that does not read is closed and not waited for.
func TestServerClosesWhoDoesNotRead(t *testing.T) {
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

func TestServerDoesNotStart(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := start(t.Context(), self, serveArg, "nowhere"); err == nil || !strings.Contains(err.Error(), "does not listen") {
		t.Error(err)
	}
}

func TestArgs(t *testing.T) {
	for args, says := range map[string]string{
		"now":            `"now" is no flag`,
		"-n 0":           "-n is 0",
		"-rate 0":        "-rate is 0",
		"-rate NaN":      "-rate is NaN",
		"-duration -1s":  "-duration is -1s",
		"-rounds 0":      "-rounds is 0",
		"-window 1":      "-window is 1",
		"-no-such -n 10": "no-such",
	} {
		var log strings.Builder
		if status := run(t.Context(), strings.Fields(args), new(strings.Builder), &log); status != 2 || !strings.Contains(log.String(), says) {
			t.Errorf("%s: status %d, %s", args, status, log.String())
		}
	}
	var out strings.Builder
	if _, err := parseArgs([]string{"-h"}, &out); !errors.Is(err, flag.ErrHelp) || !strings.Contains(out.String(), "-duration") {
		t.Errorf("%v: %s", err, out.String())
	}
}

func TestLoadedTellsWhatIsWrong(t *testing.T) {
	for report, says := range map[string]string{
		`{`:  "no JSON",
		`{}`: "nothing was delivered",
		`{"ok":true,"messages":{"received_per_second":1,"latency_microseconds":{"p50":1}}}`: "processor time is not known",
		`{"messages":{"missing":3},"faults":[{"kind":"lost","count":2,"example":"x"}]}`:     "3 deliveries are missing; 2 x lost x",
	} {
		if _, err := parseLoaded([]byte(report)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", report, err, says)
		}
	}
	l, err := parseLoaded([]byte(`{"ok":true,"messages":{"received_per_second":5,"server_cpu_microseconds_per_message":2,"latency_microseconds":{"p50":7}}}`))
	if err != nil || l != (loaded{5, 2, 7}) {
		t.Errorf("%+v, %v", l, err)
	}
}

// TestInterrupt ends the program in the midst, kindly and not: no process stays.
func TestInterrupt(t *testing.T) {
	program := filepath.Join(t.TempDir(), "floor")
	if out, err := command(t.Context(), "go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGKILL} {
		t.Run(signal.String(), func(t *testing.T) {
			dir := t.TempDir()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			c := command(ctx, program, "-n", "10")
			c.Env = append(os.Environ(), "TMPDIR="+dir)
			var said strings.Builder
			c.Stderr = &said
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			var children []int
			until(t, "server and client run", func() bool {
				children = running(c.Process.Pid, program, dir)
				return len(children) == 2
			})
			if err := c.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			_ = c.Wait()
			until(t, "they are gone", func() bool { // after SIGKILL the kernel ends them, in its time
				return !slices.ContainsFunc(children, func(pid int) bool { return syscall.Kill(pid, 0) == nil })
			})
			if signal == syscall.SIGKILL {
				return
			}
			if c.ProcessState.ExitCode() != 1 || !strings.Contains(said.String(), "interrupted") {
				t.Errorf("%v: %s", c.ProcessState, said.String())
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Errorf("files are left: %v, %v", left, err)
			}
		})
	}
}

// running are the children of a process that run program, or one under dir.
func running(parent int, program, dir string) (pids []int) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/[0-9]*/children", parent))
	for _, file := range tasks {
		b, _ := os.ReadFile(file)
		for field := range strings.FieldsSeq(string(b)) {
			exe, err := os.Readlink("/proc/" + field + "/exe")
			if pid, bad := strconv.Atoi(field); err == nil && bad == nil && (exe == program || strings.HasPrefix(exe, dir+"/fanfare-floor-")) {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}
