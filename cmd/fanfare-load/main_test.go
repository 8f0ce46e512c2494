package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	// The runtime opens its own epoll set on first use; leak checks shall not
	// count it.
	if l, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
		l.Close()
	}
	os.Exit(m.Run())
}

// checkLeaks fails the test if it leaves goroutines or descriptors. Call it first, so that it checks last.
func checkLeaks(t *testing.T) {
	t.Helper()
	goroutines, files := runtime.NumGoroutine(), openFiles(t)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		err := waitFor(ctx, time.Millisecond, func() bool {
			return runtime.NumGoroutine() <= goroutines && openFiles(t) <= files
		})
		if err != nil {
			stacks := make([]byte, 1<<20)
			t.Errorf("%d goroutines and %d files before, %d and %d after\n%s", goroutines, files,
				runtime.NumGoroutine(), openFiles(t), stacks[:runtime.Stack(stacks, true)])
		}
	})
}

func openFiles(t *testing.T) int {
	t.Helper()
	d, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(d)
}

// result is the result of a run of the program.
type result struct {
	status int
	stdout string
	stderr string
	report report // if it was run with -json
}

// runProgram runs the program for at most a minute.
func runProgram(t *testing.T, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return runContext(ctx, t, args...)
}

func runContext(ctx context.Context, t *testing.T, args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	r := result{status: run(ctx, args, &out, &errs)}
	r.stdout, r.stderr = out.String(), errs.String()
	for _, a := range args {
		if a == "-json" && r.stdout != "" {
			d := json.NewDecoder(strings.NewReader(r.stdout))
			d.DisallowUnknownFields()
			if err := d.Decode(&r.report); err != nil {
				t.Fatalf("%v in\n%s", err, r.stdout)
			}
			if err := d.Decode(new(any)); err != io.EOF {
				t.Fatalf("more than one document: %v\n%s", err, r.stdout)
			}
		}
	}
	t.Logf("%q: status %d\n%s%s", args, r.status, r.stdout, r.stderr)
	return r
}

// wantOK fails the test unless the run was successful.
func (r result) wantOK(t *testing.T) {
	t.Helper()
	if r.status != exitOK || !r.report.OK || len(r.report.Faults) != 0 || r.report.Interrupted {
		t.Errorf("status %d, report %+v; want all well", r.status, r.report)
	}
}

// wantFault fails the test unless the run had that number of faults of that kind.
func (r result) wantFault(t *testing.T, kind string, count int64) fault {
	t.Helper()
	if r.status != exitFault || r.report.OK {
		t.Errorf("status %d, ok %v; want 1, false", r.status, r.report.OK)
	}
	for _, f := range r.report.Faults {
		if f.Kind == kind {
			if f.Count != count {
				t.Errorf("fault %q: %d times, want %d", kind, f.Count, count)
			}
			return f
		}
	}
	t.Errorf("faults %+v; want %q", r.report.Faults, kind)
	return fault{}
}

// want compares two figures.
func want[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}
