package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestInterrupt ends the program, by an interrupt or by force, while server and client run, and checks that both end.
func TestInterrupt(t *testing.T) {
	program := filepath.Join(t.TempDir(), "bench")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, args := range []string{"echo -servers fanfare", "floor -n 10"} {
		for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGKILL} {
			t.Run(args+", "+signal.String(), func(t *testing.T) { interrupt(t, signal, program, strings.Fields(args)...) })
		}
	}
}

func interrupt(t *testing.T, signal syscall.Signal, program string, args ...string) {
	dir := t.TempDir()
	c := exec.Command(program, args...)
	c.Env = append(os.Environ(), "TMPDIR="+dir)
	var said strings.Builder
	c.Stderr = &said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, "server and client run", func() bool { return len(running(dir)) == 2 })
	if err := c.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait()
	if signal == syscall.SIGKILL { // the kernel ends them, in its time
		until(t, "they are gone", func() bool { return len(running(dir)) == 0 })
		return
	}
	if left := running(dir); len(left) > 0 {
		t.Errorf("still there: %q", left)
	}
	if c.ProcessState.ExitCode() != 1 || !strings.Contains(said.String(), "interrupted") {
		t.Errorf("%v: %s", c.ProcessState, said.String())
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("files are left: %v, %v", left, err)
	}
}

// running returns the running programs below dir.
func running(dir string) (programs []string) {
	links, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, l := range links {
		if exe, err := os.Readlink(l); err == nil && strings.HasPrefix(exe, dir+"/fanfare-bench-") {
			programs = append(programs, exe)
		}
	}
	return programs
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}
