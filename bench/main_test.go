package main

import (
	"context"
	"fmt"
	"os"
	"testing"
)

// built are the programs that the tests start.
var built *programs

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "bench-test-")
	if err == nil {
		defer os.RemoveAll(dir)
		built, err = build(context.Background(), dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}
