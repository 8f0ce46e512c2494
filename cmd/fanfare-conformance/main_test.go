package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"
)

// TestMain fails the run if a goroutine is left at the end.
func TestMain(m *testing.M) {
	flag.Parse()
	before := runtime.NumGoroutine()
	code := m.Run()
	if code == 0 {
		code = leaks(before)
	}
	os.Exit(code)
}

// leaks waits some time for goroutines that are about to end.
func leaks(before int) (code int) {
	deadline := time.Now().Add(10 * time.Second)
	for range time.Tick(5 * time.Millisecond) {
		if runtime.NumGoroutine() <= before {
			return 0
		}
		if time.Now().After(deadline) {
			break
		}
	}
	stacks := make([]byte, 1<<20)
	fmt.Printf("left over: %d goroutines, before %d\n%s\n", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
	return 1
}
