package main

import (
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestCount counts an event that needs no hardware: CPU time, including that of threads that start later.
func TestCount(t *testing.T) {
	child := exec.Command("sh", "-c", "read go; for i in 1 2 3; do (i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done); done; read end")
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		in.Close()
		_ = child.Wait()
	}()
	c, err := count(child.Process.Pid, event{unix.PERF_TYPE_SOFTWARE, unix.PERF_COUNT_SW_TASK_CLOCK, 0})
	if err != nil {
		if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS) {
			t.Skipf("%v; as root, or with sysctl kernel.perf_event_paranoid=1, it is tested", uncounted(err))
		}
		t.Fatal(err)
	}
	defer c.close()
	if _, err := in.Write([]byte("go\n")); err != nil {
		t.Fatal(err)
	}
	if err := waitFor(t.Context(), time.Millisecond, func() bool {
		n, err := c.total()
		if err != nil {
			t.Fatal(err)
		}
		return n > 5e6 // nanoseconds; the shell itself takes much less than its children
	}); err != nil {
		t.Fatal(err)
	}
}

// TestCounters checks that the report has counters or the reason why not.
func TestCounters(t *testing.T) {
	checkLeaks(t)
	r := runProgram(t, "echo", "-json", "-q", "-n", "5", "-count", "2000", "-pid", self, ourEcho(t))
	r.wantOK(t)
	switch m := r.report.Messages; {
	case m.Counters == nil && m.Uncounted == "":
		t.Error("neither counters nor a word why not")
	case m.Counters == nil:
		t.Skip(m.Uncounted)
	case m.Counters.UserInstructions < 100 || m.Counters.KernelInstructions < 100:
		t.Errorf("%+v", m.Counters)
	}
}

func TestUncounted(t *testing.T) {
	for err, says := range map[error]string{unix.ENOENT: "no hardware counters", unix.EACCES: "perf_event_paranoid", unix.ENOSYS: "no performance events"} {
		if got := uncounted(err); !strings.Contains(got.Error(), says) || !errors.Is(got, err) {
			t.Errorf("%v: %v, want %q", err, got, says)
		}
	}
}
