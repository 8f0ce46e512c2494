package main

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"
)

// One program has the turn at a time, and waiting for it can be cancelled.
func TestTurn(t *testing.T) {
	checkLeaks(t)
	file := filepath.Join(t.TempDir(), "turn")
	a, err := openTurn(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	defer a.end()
	short, cancel := context.WithTimeout(t.Context(), 3*turnEvery)
	defer cancel()
	if _, err := openTurn(short, file); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("two have the turn: %v", err)
	}
	a.pass()
	b, err := openTurn(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "the kernel's memory, not known to who passed", a.kernel(), kernelMemory{unknown, unknown, unknown})
	back := make(chan error)
	go func() { back <- a.take(t.Context()) }()
	select {
	case err := <-back:
		t.Errorf("taken from who has it: %v", err)
	case <-time.After(3 * turnEvery):
	}
	b.end()
	if err := <-back; err != nil {
		t.Error(err)
	}
	if k := a.kernel(); k.slabs <= 0 {
		t.Errorf("%+v", k)
	}
}

// Memory that others have added is subtracted.
func TestTurnOthers(t *testing.T) {
	t.Parallel()
	u := &turn{ours: true, others: kernelMemory{1 << 40, 1 << 40, 1 << 40}}
	if k, all := u.kernel(), readKernel(); k.slabs > all.slabs-1<<39 || k.slabs < -1<<40 {
		t.Errorf("%+v of %+v", k, all)
	}
}
