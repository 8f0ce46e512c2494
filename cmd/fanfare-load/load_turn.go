package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// turn is the turn of this program among those with the same file at -turn: one loads the machine while the others rest. The
// kernel's memory is that of the whole machine, so turn subtracts what the others have added meanwhile.
type turn struct {
	file   *os.File // nil without -turn: the turn is always ours
	ours   bool
	passed kernelMemory // when our last turn ended
	others kernelMemory // what the others have added in total
}

// openTurn waits for the turn.
func openTurn(ctx context.Context, name string) (*turn, error) {
	if name == "" {
		return &turn{ours: true}, nil
	}
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, badUsage("-turn: %w", err)
	}
	t := &turn{file: f}
	if err := t.lock(ctx); err != nil {
		f.Close()
		return nil, err
	}
	return t, nil
}

// turnEvery is the interval of attempts to lock: flock(2) could wait, but would not return when ctx is done.
const turnEvery = 20 * time.Millisecond

func (t *turn) lock(ctx context.Context) error {
	var err error
	waiting := waitFor(ctx, turnEvery, func() bool {
		err = unix.Flock(int(t.file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		return err != unix.EWOULDBLOCK && err != unix.EINTR
	})
	if waiting != nil {
		return waiting
	}
	if err != nil {
		return fmt.Errorf("-turn: lock %s: %w", t.file.Name(), err)
	}
	t.ours = true
	return nil
}

// take waits for the turn unless it is ours.
func (t *turn) take(ctx context.Context) error {
	if t.ours {
		return nil
	}
	if err := t.lock(ctx); err != nil {
		return err
	}
	t.others = t.others.plus(readKernel().minus(t.passed))
	return nil
}

// pass gives the turn to others.
func (t *turn) pass() {
	if t.file == nil || !t.ours {
		return
	}
	t.passed, t.ours = readKernel(), false
	_ = unix.Flock(int(t.file.Fd()), unix.LOCK_UN)
}

// end gives up the turn for good: closing the file unlocks it.
func (t *turn) end() {
	if t.file != nil {
		t.file.Close()
	}
}

// kernel returns the kernel's memory without what others have added. It is unknown during their turn.
func (t *turn) kernel() kernelMemory {
	if !t.ours {
		return kernelMemory{unknown, unknown, unknown}
	}
	return readKernel().minus(t.others)
}

// kernelMemory is memory of the kernel, in bytes. A figure that cannot be read once can never be read, so its differences are
// 0.
type kernelMemory struct{ objects, buffers, slabs int64 }

func readKernel() kernelMemory { return kernelMemory{socketSlabs(), tcpBuffers(), kernelSlabs()} }

func (k kernelMemory) plus(o kernelMemory) kernelMemory {
	return kernelMemory{k.objects + o.objects, k.buffers + o.buffers, k.slabs + o.slabs}
}

func (k kernelMemory) minus(o kernelMemory) kernelMemory {
	return kernelMemory{k.objects - o.objects, k.buffers - o.buffers, k.slabs - o.slabs}
}
